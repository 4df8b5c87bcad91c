"""What each part is told at its start: validated models of a cluster's and every part's configuration."""
