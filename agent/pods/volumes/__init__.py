"""Pod volumes: what files they hold (pure), how they are written atomically, and how they reach a container."""
