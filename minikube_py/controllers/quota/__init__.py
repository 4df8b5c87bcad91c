"""ResourceQuotas: what a namespace uses of what it may use."""
