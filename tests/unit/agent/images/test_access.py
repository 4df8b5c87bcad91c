"""Whose credentials make an image of the machine accessible (KEP-2535)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from agent.images.access import ImageAccess
from agent.images.credentials import credentials_for

NAME = "registry.example:5000/team/tool:1"
IMAGE = "sha256:1"


def secret(password: str = "good", *, uid: str = "u1", server: str = "registry.example:5000") -> dict[str, Any]:
    document = json.dumps({"auths": {server: {"username": "ann", "password": password}}})
    return {
        "metadata": {"namespace": "team", "name": "pull", "uid": uid},
        "data": {".dockerconfigjson": base64.b64encode(document.encode()).decode()},
    }


@pytest.fixture
def access(tmp_path: Path) -> ImageAccess:
    found = ImageAccess(tmp_path / "access")
    assert found.unused
    return found


def _pull(access: ImageAccess, *secrets: dict[str, Any], name: str = NAME) -> None:
    users = credentials_for(name, secrets) or [None]
    with access.pulling(name):
        access.record(IMAGE, name, users[0])


def test_what_was_never_pulled_is_everybodys(access: ImageAccess) -> None:
    assert access.allows(IMAGE, NAME, [])


@pytest.mark.parametrize(
    ("secrets", "allowed"),
    [
        ([secret()], True),
        ([secret(uid="another", password="good")], True),  # the same credentials in another Secret
        ([secret(password="changed")], True),  # the same Secret with others: it is trusted as it was
        ([secret(uid="another", password="guessed")], False),
        ([secret(server="elsewhere.example")], False),
        ([], False),
    ],
)
def test_credentials_that_worked(access: ImageAccess, secrets: list[dict[str, Any]], allowed: bool) -> None:
    _pull(access, secret())
    assert access.allows(IMAGE, NAME, secrets) is allowed
    assert access.allows(IMAGE, NAME.replace(":1", ":2"), secrets) is allowed, "it is the repository that counts"
    assert not access.allows(IMAGE, "registry.example:5000/team/other:1", secrets)


def test_a_pull_without_credentials_opens_it(access: ImageAccess) -> None:
    _pull(access, secret())
    _pull(access)
    _pull(access, secret())
    assert access.allows(IMAGE, NAME, [])
    access.forget(IMAGE)
    assert access.allows(IMAGE, NAME, [])


def test_a_pull_that_was_killed_leaves_nobody_in(access: ImageAccess, tmp_path: Path) -> None:
    with access.pulling(NAME):
        assert not access.allows(IMAGE, NAME, [secret()])
        mark = next((tmp_path / "access" / "pulling").iterdir())
        (mark / "of-one-that-was-killed").touch()
    assert not access.allows(IMAGE, NAME, [])
    _pull(access, secret())
    assert access.allows(IMAGE, NAME, [secret()])
    access.forget(IMAGE)
    assert access.allows(IMAGE, NAME, []), "the mark went with the pull that succeeded"


def test_a_pull_that_failed_leaves_no_mark(access: ImageAccess) -> None:
    with pytest.raises(OSError), access.pulling(NAME):
        raise OSError("refused")
    assert access.allows(IMAGE, NAME, [])


def test_a_damaged_record_lets_nobody_in(access: ImageAccess, tmp_path: Path) -> None:
    _pull(access)
    for record in (tmp_path / "access").glob("*.json"):
        record.write_text("{")
    assert not access.allows(IMAGE, NAME, [secret()])


def test_no_password_is_kept(access: ImageAccess, tmp_path: Path) -> None:
    _pull(access, secret(password="very-secret-word"))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "access").glob("*.json"))
    assert b"very-secret-word" not in kept
