"""EndpointSlices: the pods behind each Service, and the mirrors of hand-made Endpoints."""
