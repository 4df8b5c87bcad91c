"""Services, EndpointSlices, pods and nodes as one picture."""
