"""How fast the Service data planes are, beside HAProxy and nginx in the same run. ``python -m benchmarks.dataplane``"""
