"""The Kubernetes object model: kinds, metadata, selectors, quantities, patches and errors. Imports nothing of ours."""
