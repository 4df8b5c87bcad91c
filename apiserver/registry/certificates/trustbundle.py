"""ClusterTrustBundles (KEP-3257): the certificates that are trusted for what a signer signs."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from cryptography import x509

from apiserver.registry.checks import Errors, immutable
from apiserver.registry.core.podspec.projected import validate_signer_name
from apiserver.registry.strategy import KindStrategy
from apiserver.registry.table import NAME, NONE, Column, Table
from minikube_py.api import names
from minikube_py.api.fields import invalid, too_long
from minikube_py.api.meta import name_of
from minikube_py.api.pem import Block, blocks
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

_LARGEST = 1024 * 1024
_PATH = "spec.trustBundle"
_OMITTED = "<value omitted>"


def _any_name(_name: str, _prefix: bool = False) -> list[str]:
    return []


def _field(bundle: Object, name: str) -> str:
    value: str = (bundle.get("spec") or {}).get(name) or ""
    return value


def _name_faults(name: str, signer: str, *, prefix: bool = False) -> list[str]:
    """A bundle is named after its signer, so that signers cannot take each other's names."""
    if not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return names.subdomain_name(name, prefix)
    start = signer.replace("/", ":") + ":"
    if not name.startswith(start):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {start}"]
    return names.subdomain_name(name.removeprefix(start), prefix)


def certificate_of(block: Block) -> x509.Certificate | None:
    """The certificate in a block, None where there is none that can be read."""
    try:
        return x509.load_der_x509_certificate(block.content)
    except ValueError:
        return None


def _block_fault(block: Block) -> str:
    if block.label != "CERTIFICATE":
        return f"has bad block type: {block.label}"
    if block.has_headers:
        return "has PEM block headers"
    certificate = certificate_of(block)
    if certificate is None:
        return "does not parse as X.509"
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return "does not have the CA bit set"
    return "" if constraints.value.ca else "does not have the CA bit set"


def trust_faults(text: str) -> list[str]:
    """Why a bundle is no bundle of trust anchors; [] for a sound one."""
    places: dict[bytes, list[int]] = defaultdict(list)
    faults = []
    for index, block in enumerate(blocks(text)):
        if fault := _block_fault(block):
            faults.append(f"entry {index} {fault}")
        places[block.content].append(index)
    if faults:
        return faults
    if not places:
        return ["at least one trust anchor must be provided"]
    twice = (found for found in places.values() if len(found) > 1)
    return [f"duplicate trust anchor (indices [{' '.join(map(str, found))}])" for found in twice]


def _validate_names(bundle: Object, errors: Errors) -> None:
    meta, signer = bundle["metadata"], _field(bundle, "signerName")
    if generated := meta.get("generateName"):
        found = _name_faults(generated, signer, prefix=True)
        errors.extend(invalid("metadata.generateName", generated, text) for text in found)
    if name := meta.get("name"):
        errors.extend(invalid("metadata.name", name, text) for text in _name_faults(name, signer))
    if signer:
        validate_signer_name(signer, "spec.signerName", errors)


def _validate_anchors(bundle: Object, errors: Errors) -> None:
    text = _field(bundle, "trustBundle")
    if len(text.encode()) > _LARGEST:
        errors.append(too_long(_PATH, _LARGEST))
    else:
        errors.extend(invalid(_PATH, _OMITTED, fault) for fault in trust_faults(text))


def _validate_change(new: Object, old: Object, errors: Errors) -> None:
    if _field(new, "trustBundle") != _field(old, "trustBundle"):
        _validate_anchors(new, errors)
    immutable(_field(new, "signerName"), _field(old, "signerName"), "spec.signerName", errors)


def _cells(bundle: Object, _now: datetime) -> list[Any]:
    return [name_of(bundle), _field(bundle, "signerName") or NONE]


def strategy(resource: Resource) -> KindStrategy:
    """ClusterTrustBundles."""
    return KindStrategy(
        resource=resource,
        name_rule=_any_name,
        validate=_validate_names,
        validate_new=_validate_anchors,
        validate_change=_validate_change,
        table=Table((NAME, Column("SignerName", description="Whose certificates it vouches for.")), _cells),
        allow_unconditional_update=False,
    )
