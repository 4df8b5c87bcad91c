"""DaemonSets: a pod on every node that should have one."""
