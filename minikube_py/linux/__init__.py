"""Thin, typed doors to the kernel: namespaces, rtnetlink, mounts, pidfds, cgroups. No policy."""
