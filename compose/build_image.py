"""Builds the image of compose.yaml out of this machine, to standard output.

python compose/build_image.py | docker load
"""

from __future__ import annotations

import sys

from minikube_py.cluster.composed import image

if __name__ == "__main__":
    sys.stdout.buffer.write(image.archive(image.build(), sys.argv[1] if len(sys.argv) > 1 else "minik:local"))
