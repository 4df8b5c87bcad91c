"""The userspace data plane: sockets bound on the Services' own addresses, and relays behind them."""
