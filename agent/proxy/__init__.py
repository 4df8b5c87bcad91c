"""Services on this node: a pure routing table and the data planes that carry it."""
