"""What each resource is: defaulting, validation, immutability, allocation, printed columns."""
