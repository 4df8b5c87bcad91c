"""The controllers of the control plane: each a pure plan and a thin loop that carries it out."""
