"""The option that records a kube-proxy's answers."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-kube-proxy", action="store_true", help="write down what the kube-proxy on the PATH answers"
    )
