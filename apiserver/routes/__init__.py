"""HTTP in, HTTP out: read, write, watch, discovery, OpenAPI, proxying to agents."""
