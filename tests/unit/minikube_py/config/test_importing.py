"""Importing leaves the collector as it was, whatever comes of it."""

from __future__ import annotations

import gc
import json

import pytest

from minikube_py.config.importing import import_all


def test_modules_come_in_order() -> None:
    assert import_all(["json", "gc"]) == [json, gc]
    assert gc.isenabled()


def test_the_collector_is_as_it_was() -> None:
    with pytest.raises(ImportError):
        import_all(["no.such.module"])
    assert gc.isenabled()
    gc.disable()
    try:
        import_all(["json"])
        assert not gc.isenabled()
    finally:
        gc.enable()
