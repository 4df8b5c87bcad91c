"""SPDY/3.1 as kubectl speaks it: frames (pure), sessions of streams, and the byte streams that carry them."""
