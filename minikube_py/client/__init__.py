"""REST, watch and informers: the only road to an API server."""
