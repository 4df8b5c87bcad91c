"""StatefulSets: pods with names, numbers and claims of their own."""
