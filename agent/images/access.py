"""Who may use an image that this machine has pulled: a pod whose own credentials would have got it (KEP-2535).

An image on the machine is no secret from its pods otherwise: whoever knows its name could run what somebody else's
credentials have fetched. So every pull leaves a record of the credentials that worked, and a pod with none of them has
to ask the registry again. What was loaded by hand, or was here before, has no record and is everybody's (the kubelet's
policy NeverVerifyPreloadedImages). A pull says beforehand that it begins: an agent that is killed in between leaves an
image that has to be asked for, not a free one.

The records are shared by all nodes of the machine, as the images are. All methods block.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from agent.images.credentials import Credentials, credentials_for
from minikube_py.api.types import Object

_EVERYBODY: Final = "everybody"
#: Users remembered of one repository: the others ask the registry again.
_MOST_USERS: Final = 100


class ImageAccess:
    """Records below ``directory``: one for each image id, one for each pull under way."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def pulling(self, name: str) -> Iterator[None]:
        """For the time of a pull. Left behind by one that was killed, it makes the image nobody's. Raises OSError."""
        mark = self._mark(name)
        mark.mkdir(parents=True, exist_ok=True)
        own = mark / uuid.uuid4().hex
        own.touch()
        try:
            yield
        finally:
            own.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others pull it too, or did when they were killed
                mark.rmdir()

    def record(self, image_id: str, name: str, user: Credentials | None) -> None:
        """The image came with the credentials of ``user``; None: it is for everybody. Raises OSError."""
        record, repository = self._read(image_id) or {}, _repository(name)
        if user is None:
            record[repository] = _EVERYBODY
        elif record.get(repository) != _EVERYBODY:
            known = [tuple(each) for each in record.get(repository) or ()]
            record[repository] = list(dict.fromkeys([*known, (user.digest, user.secret)]))[-_MOST_USERS:]
        path = self._file(image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{uuid.uuid4().hex}")
        fresh.write_text(json.dumps(record))
        os.replace(fresh, path)
        for left in self._mark(name).glob("*"):  # this pull's own, and those of killed ones before it
            left.unlink(missing_ok=True)

    def allows(self, image_id: str, name: str, secrets: Sequence[Object]) -> bool:
        """Whether a pod with these pull secrets may have the image under this (canonical) name without asking."""
        record = self._read(image_id)
        if record is None:
            return not (self._mark(name).is_dir() and any(self._mark(name).iterdir()))
        users = record.get(_repository(name)) or ()
        if users == _EVERYBODY:
            return True
        hashes, sources = {each[0] for each in users}, {each[1] for each in users if each[1]}
        return any(own.digest in hashes or own.secret in sources for own in credentials_for(name, secrets))

    @property
    def unused(self) -> bool:
        """Whether there is no record of anything."""
        return not self._directory.is_dir()

    def forget(self, image_id: str) -> None:
        """The image is gone."""
        self._file(image_id).unlink(missing_ok=True)

    def _read(self, image_id: str) -> dict[str, Any] | None:
        """None where there is none; nobody is allowed by one that cannot be read."""
        try:
            found = json.loads(self._file(image_id).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _file(self, image_id: str) -> Path:
        return self._directory / f"{image_id.replace(':', '-')}.json"

    def _mark(self, name: str) -> Path:
        return self._directory / "pulling" / hashlib.sha256(name.encode()).hexdigest()


def _repository(name: str) -> str:
    """The name without tag and digest."""
    name = name.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"
