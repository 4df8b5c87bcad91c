"""Configurations are strict about names and types, and the JSON they write is the JSON they read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from minikube_py.config.model import Field, Model


class Door(Model):
    path: Path
    port: int = Field(default=0, ge=0, le=65535)


class House(Model):
    name: str
    doors: tuple[Door, ...] = ()
    size: tuple[int, int] = (1, 1)
    colour: Literal["red", "blue"] = "red"
    height: float = 2.5
    cellar: Path | None = None
    back_door: Door | None = None
    labels: dict[str, str] = Field(default={})
    lit: bool = False

    def _check(self) -> None:
        if self.lit and self.colour == "blue":
            raise ValueError("blue houses stay dark")


def test_what_it_writes_it_reads() -> None:
    house = House(
        name="a", doors=(Door(path=Path("/d"), port=8),), cellar=Path("/c"), back_door=Door(path=Path("/b")), lit=True
    )
    assert House.model_validate_json(house.model_dump_json()) == house
    assert hash(house.doors) == hash((Door(path=Path("/d"), port=8),))


def test_json_is_brought_to_the_types_of_the_settings() -> None:
    house = House.model_validate_json(b'{"name":"a","doors":[{"path":"/d"}],"size":[2,3],"height":3,"cellar":null}')
    assert house == House(name="a", doors=(Door(path=Path("/d")),), size=(2, 3), height=3.0)
    assert isinstance(house.height, float)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "name: is required"),
        ({"name": "a", "nmae": "b"}, "nmae: there is no such setting"),
        ({"name": 1}, "name: 1 is not of the type str"),
        ({"name": "a", "lit": "yes"}, "lit: 'yes' is not of the type bool"),
        ({"name": "a", "size": [1]}, "size: must have 2 values"),
        ({"name": "a", "size": [1, True]}, "size: True is not of the type int"),
        ({"name": "a", "doors": "front"}, "doors: 'front' is not a list"),
        ({"name": "a", "doors": [{"path": "/d", "port": 70000}]}, "port: must be less than or equal to 65535"),
        ({"name": "a", "back_door": {"port": -1}}, "port: must be greater than or equal to 0; path: is required"),
        ({"name": "a", "colour": "green"}, "colour: 'green' is none of red, blue"),
        ({"name": "a", "labels": {"b": 1}}, "labels: 1 is not of the type str"),
        ({"name": "a", "labels": 1}, "labels: 1 is not of the type dict"),
        ({"name": "a", "colour": "blue", "lit": True}, "blue houses stay dark"),
    ],
)
def test_what_does_not_fit_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        House(**told)


@pytest.mark.parametrize("document", [b"[]", b"nonsense", b'"house"'])
def test_other_documents_are_refused(document: bytes) -> None:
    with pytest.raises(ValueError):
        House.model_validate_json(document)


def test_it_is_frozen_and_copies_are_checked() -> None:
    house = House(name="a")
    with pytest.raises(AttributeError, match="frozen"):
        house.name = "b"  # type: ignore[misc]
    assert house.model_copy(update={"name": "b"}) == House(name="b")
    with pytest.raises(ValueError, match="there is no such setting"):
        house.model_copy(update={"nmae": "b"})
