"""The pod spec wherever it stands: in Pods and in the templates of every workload."""
