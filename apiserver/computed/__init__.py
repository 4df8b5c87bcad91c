"""Resources that nobody stores: worked out when somebody asks, and read only."""
