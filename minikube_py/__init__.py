"""minik: a Kubernetes cluster in Python. This package holds what a user touches and what all parts share."""

from __future__ import annotations

from typing import Final

#: Written here and read by the build: asking the installation for it would load a zip reader into every agent.
__version__: Final = "0.1.0"
