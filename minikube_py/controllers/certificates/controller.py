"""Three loops over CertificateSigningRequests: upstream's csrapproving, csrsigning and csrcleaner controllers."""

from __future__ import annotations

import base64
import logging

from minikube_py.api.meta import format_time, is_deleting, name_of
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS, SUBJECTACCESSREVIEWS
from minikube_py.api.types import Object, ObjectKey
from minikube_py.controllers.certificates import requests
from minikube_py.controllers.certificates.cleaning import expires_at
from minikube_py.controllers.certificates.signing import Authority
from minikube_py.controllers.context import Context
from minikube_py.controllers.controller import Controller

_log = logging.getLogger(__name__)


class CSRController(Controller):
    """What the three share: one key per request, one account."""

    account = "certificate-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._requests = self.follow(CERTIFICATESIGNINGREQUESTS)

    async def reconcile(self, key: ObjectKey) -> None:
        request = self._requests.get(*key)
        if request is not None and not is_deleting(request):
            await self.handle(key, request)

    async def handle(self, key: ObjectKey, request: Object) -> None:
        """Look at one request that is there."""
        raise NotImplementedError

    async def add_condition(self, request: Object, condition: Object, subresource: str) -> None:
        """Write one more condition."""
        status = request.get("status") or {}
        status = status | {"conditions": [*(status.get("conditions") or ()), condition]}
        await self.writes.update(CERTIFICATESIGNINGREQUESTS, request | {"status": status}, subresource=subresource)


class CSRApprovingController(CSRController):
    """Approves what kubelets ask for themselves, where an access review says that they may."""

    name = "csrapproving"

    async def handle(self, key: ObjectKey, request: Object) -> None:
        del key
        if requests.is_decided(request) or request["spec"].get("signerName") != requests.KUBELET_CLIENT:
            return
        wanted = requests.parsed(request)
        if not requests.is_node_client(request, wanted):
            return
        own = request["spec"].get("username") == requests.common_name(wanted)
        for subresource, words in (("selfnodeclient", "self kubelet"), ("nodeclient", "kubelet")):
            if (own or subresource == "nodeclient") and await self._may(request["spec"], subresource):
                message = f"Auto approving {words} client certificate after SubjectAccessReview."
                await self._approve(request, message)
                return
        _log.info("%s: %s may not ask for a node's certificate", name_of(request), request["spec"].get("username"))

    async def _may(self, spec: Object, subresource: str) -> bool:
        wish = {
            "group": CERTIFICATESIGNINGREQUESTS.group, "resource": CERTIFICATESIGNINGREQUESTS.plural, "verb": "create",
            "subresource": subresource, "version": "*",
        }  # fmt: skip
        who = {name: spec[name] for name in ("uid", "groups", "extra") if spec.get(name)}
        review: Object = {
            "apiVersion": SUBJECTACCESSREVIEWS.api_version,
            "kind": "SubjectAccessReview",
            "spec": {"user": spec.get("username") or "", **who, "resourceAttributes": wish},
        }
        answer = await self.context.client.create(SUBJECTACCESSREVIEWS, review)
        return bool(answer["status"].get("allowed"))

    async def _approve(self, request: Object, message: str) -> None:
        condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
        await self.add_condition(request, condition, "approval")


class CSRSigningController(CSRController):
    """Signs what is approved, for the signers that Kubernetes names its own."""

    name = "csrsigning"

    def __init__(self, context: Context, *, authority: Authority) -> None:
        super().__init__(context)
        self._authority = authority

    async def handle(self, key: ObjectKey, request: Object) -> None:
        del key
        if not requests.awaits_signature(request):
            return
        spec, wanted = request["spec"], requests.parsed(request)
        try:
            requests.check(spec["signerName"], wanted, requests.usages_of(request))
        except requests.Unsuitable as fault:
            await self._fail(request, str(fault))
            return
        certificate = self._authority.sign(
            wanted, requests.usages_of(request), spec.get("expirationSeconds"), self.clock.now()
        )
        status = (request.get("status") or {}) | {"certificate": base64.b64encode(certificate).decode()}
        await self.writes.update_status(CERTIFICATESIGNINGREQUESTS, request, status)

    async def _fail(self, request: Object, message: str) -> None:
        condition = {
            "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": message,
            "lastUpdateTime": format_time(self.clock.now()),
        }  # fmt: skip
        await self.add_condition(request, condition, "status")


class CSRCleanerController(CSRController):
    """Deletes requests that are settled, or that nobody ever decided."""

    name = "csrcleaner"

    async def handle(self, key: ObjectKey, request: Object) -> None:
        due = expires_at(request)
        if due is None:
            return
        left = (due - self.clock.now()).total_seconds()
        if left > 0:
            self.queue.add_after(key, left)
        else:
            await self.writes.delete(CERTIFICATESIGNINGREQUESTS, request)
