"""A signed result for the teacher.

The key is made on the student's machine at the first report. The signature shows that a report was not changed since it
was written, and the key's fingerprint that two reports come from one machine. It cannot show that nobody tampered with
the machine itself: what is graded there is in its owner's hands.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from minikube_py.labs.progress import Progress

FORMAT = "minik-lab-report/1"


class ForgedReport(ValueError):
    """The report is not what was signed, or is no report; says why."""


def student_key(path: Path) -> Ed25519PrivateKey:
    """The key in ``path``, made where there is none. Raises OSError, ValueError."""
    try:
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    except FileNotFoundError:
        key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(key.private_bytes_raw())
    return key


def write(student: str, written: str, labs: Sequence[Progress], key: Ed25519PrivateKey) -> bytes:
    """The report as JSON. ``written`` is the time, RFC 3339."""
    body = {"format": FORMAT, "student": student, "written": written, "labs": [each.model_dump() for each in labs]}
    signed = {
        **body,
        "key": _text(key.public_key().public_bytes_raw()),
        "signature": _text(key.sign(_canonical(body))),
    }
    return orjson.dumps(signed, option=orjson.OPT_INDENT_2) + b"\n"


def verify(data: bytes) -> tuple[dict[str, Any], str]:
    """The report's body and the fingerprint of its key. Raises ForgedReport."""
    try:
        body = orjson.loads(data)
        public = base64.b64decode(body.pop("key"), validate=True)
        signature = base64.b64decode(body.pop("signature"), validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _canonical(body))
        labs = [Progress.model_validate(each) for each in body["labs"]]
    except InvalidSignature:
        raise ForgedReport("the signature does not fit: the report was changed after it was written") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForgedReport(f"not a report of minik lab: {error}") from error
    if body.get("format") != FORMAT:
        raise ForgedReport(f"not a report of this format: {body.get('format')}")
    return {**body, "labs": labs}, hashlib.sha256(public).hexdigest()[:12]


def _canonical(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
