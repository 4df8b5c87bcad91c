"""How the parts of the API server fit together: everything but sockets, so that tests can have all of it in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from socket import gethostname

from apiserver.admission.plugins import default_chain
from apiserver.admission.quotabooks import QuotaBooks
from apiserver.audit.auditor import Auditor, body_reader
from apiserver.audit.log import AuditLog
from apiserver.audit.policy import Policy
from apiserver.auth.authentication import Authenticator, StaticTokens
from apiserver.auth.authorization import AlwaysAllow, Authorization
from apiserver.auth.nodes import NodeAuthorizer
from apiserver.auth.rbac import RBAC
from apiserver.auth.tokens import ServiceAccountTokens, SigningKey, default_issuer, discovery_document, key_set
from apiserver.boot import Boot
from apiserver.chronicle import PATH as TIMELINE
from apiserver.chronicle import Chronicle
from apiserver.computed.components import ComponentStatuses
from apiserver.computed.metrics import ResourceMetrics
from apiserver.computed.resources import METRICS_TABLE, NODEMETRICS, PODMETRICS
from apiserver.computed.routes import ComputedResources
from apiserver.fieldmanagement import FieldTracker
from apiserver.flowcontrol.dangling import DanglingConditions
from apiserver.flowcontrol.levels import FlowControl
from apiserver.identitylease import IdentityLease
from apiserver.listeners import agent_tls_context
from apiserver.registry.catalog import Dependencies
from apiserver.registry.core.componentstatus import TABLE as COMPONENTS_TABLE
from apiserver.routes.api import API
from apiserver.routes.catalog import Catalog, StoreReader
from apiserver.routes.dispatch import Dispatcher
from apiserver.routes.documents import Documents
from apiserver.routes.health import Health
from apiserver.routes.metrics import Metrics
from apiserver.routes.patching import Patcher
from apiserver.routes.resources import ResourceRoutes
from apiserver.routes.reviews import Reviews
from apiserver.routes.streaming.routes import Streaming
from apiserver.routes.subresources.eviction import Evictor
from apiserver.routes.subresources.routes import Subresources
from apiserver.routes.writing import Writer
from apiserver.schema.discovery import Discovery
from apiserver.schema.messages import Messages
from apiserver.schema.openapi import OpenAPI
from apiserver.schema.schema import Schema, kind_of
from apiserver.serviceaddresses import ServiceAddresses
from apiserver.store.store import Store
from minikube_py.aio.clock import Clock
from minikube_py.api.resources import (
    COMPONENTSTATUSES,
    FLOWSCHEMAS,
    PODS,
    PRIORITYLEVELCONFIGURATIONS,
    Resource,
    ResourceTable,
)
from minikube_py.config.parts import APIServerConfig


@dataclass(frozen=True, slots=True)
class Assembly:
    """The assembled server."""

    api: API
    boot: Boot
    catalog: Catalog
    writer: Writer
    streaming: Streaming
    messages: Messages
    auditor: Auditor | None
    dangling: DanglingConditions
    lease: IdentityLease


def assemble(config: APIServerConfig, *, store: Store, clock: Clock) -> Assembly:
    """Put everything together. Raises OSError, ValueError where a file of the configuration cannot be used."""
    schema, table = Schema.load(), ResourceTable()
    deps = Dependencies.from_network(config.network)
    messages = Messages(schema.model)
    catalog = Catalog(table, store=store, deps=deps, now=clock.now, messages=messages)
    reader = StoreReader(store)
    security = _security(config, store, reader, clock)
    tracker = FieldTracker(schema)
    books = QuotaBooks()
    writer = Writer(reader=reader, admission=default_chain(security.rbac, books), schema=schema, fields=tracker)
    addresses = ServiceAddresses(catalog=catalog, writer=writer, deps=deps, network=config.network)
    boot = Boot(catalog=catalog, writer=writer, config=config, addresses=addresses)
    writer.followers += [books.follow, boot.follow, addresses.follow]
    patcher = Patcher(writer=writer, schema=schema, apply=tracker.apply)
    dangling = DanglingConditions(catalog=catalog, patcher=patcher, clock=clock)
    writer.followers.append(dangling.follow)
    flows = FlowControl(store.collection(FLOWSCHEMAS), store.collection(PRIORITYLEVELCONFIGURATIONS))
    routes = ResourceRoutes(store=store, schema=schema, writer=writer, patcher=patcher, clock=clock)
    streaming = Streaming(reader=reader, agents=agent_tls_context(config))
    evictor = Evictor(catalog=catalog, writer=writer)
    subresources = Subresources(schema=schema, writer=writer, routes=routes, tokens=security.tokens, evictor=evictor)
    reviews = Reviews(
        schema=schema,
        table=table,
        authenticator=security.authenticator,
        authorization=security.authorization,
        tokens=security.tokens,
        rbac=security.rbac,
    )
    computed = ComputedResources(store=store, now=clock.now, messages=messages)
    components = ComponentStatuses(dict(config.components), store=store.fault)
    computed.add(COMPONENTSTATUSES, COMPONENTS_TABLE, components.statuses, typed=True)
    _add_metrics(computed, ResourceMetrics(reader=reader, ask=streaming.ask_agent, clock=clock))
    dispatcher = Dispatcher(
        catalog=catalog,
        computed=computed,
        routes=routes,
        subresources={**subresources.table(), **streaming.table()},
        reviews={**reviews.table(), "bindings": subresources.bindings(catalog.of(PODS))},
    )
    chronicle = Chronicle(clock)
    store.observers.append(chronicle.record)
    auditor = _auditor(config, schema, table, clock)
    api = API(
        authenticator=security.authenticator,
        authorization=security.authorization,
        public=Health(alive={"ping": lambda: ""}, ready={"etcd": store.fault}).answer,
        documents=_documents(config, schema, [*table.all(), NODEMETRICS, PODMETRICS], security, chronicle).answer,
        resources=chronicle.witness(dispatcher.serve),
        metrics=Metrics(store, table, flows),
        flows=flows,
        auditor=auditor,
    )
    lease = IdentityLease(catalog=catalog, writer=writer, hostname=gethostname(), address=_address(config))
    return Assembly(api, boot, catalog, writer, streaming, messages, auditor, dangling, lease)


def _add_metrics(computed: ComputedResources, metrics: ResourceMetrics) -> None:
    """``metrics.k8s.io``: not part of Kubernetes' published API, so in JSON only."""
    computed.add(NODEMETRICS, METRICS_TABLE, metrics.nodes, typed=False)
    computed.add(PODMETRICS, METRICS_TABLE, metrics.pods, typed=False)


@dataclass(frozen=True, slots=True)
class _Security:
    """Who is who and who may do what."""

    authenticator: Authenticator
    authorization: Authorization
    tokens: ServiceAccountTokens
    rbac: RBAC | None
    documents: Mapping[str, bytes]


def _auditor(config: APIServerConfig, schema: Schema, table: ResourceTable, clock: Clock) -> Auditor | None:
    if config.audit_log is None:
        return None
    policy = Policy.read(config.audit_policy) if config.audit_policy is not None else Policy.metadata()
    return Auditor(
        policy=policy, log=AuditLog(config.audit_log, now=clock.now), now=clock.now, read=body_reader(schema, table)
    )


def _security(config: APIServerConfig, store: Store, reader: StoreReader, clock: Clock) -> _Security:
    key = SigningKey.read(config.service_account_key)
    issuer = default_issuer(config.network.domain)
    tokens = ServiceAccountTokens(key=key, issuer=issuer, reader=reader, clock=clock)
    static = [StaticTokens.read(config.token_file)] if config.token_file is not None else []
    documents = {
        "/.well-known/openid-configuration": discovery_document(issuer),
        "/openid/v1/jwks": key_set(key),
    }
    authenticator = Authenticator([*static, tokens], anonymous=config.authorization_mode != "AlwaysAllow")
    if config.authorization_mode == "AlwaysAllow":
        return _Security(authenticator, Authorization([AlwaysAllow()]), tokens, None, documents)
    rbac = RBAC(store)
    return _Security(authenticator, Authorization([NodeAuthorizer(store), rbac]), tokens, rbac, documents)


def _documents(
    config: APIServerConfig, schema: Schema, resources: list[Resource], security: _Security, chronicle: Chronicle
) -> Documents:
    live = {TIMELINE: chronicle.answer}
    discovery = Discovery(resources, server_address=_address(config))
    published = [resource for resource in resources if schema.model.kind(*kind_of(resource)) is not None]
    return Documents(discovery, OpenAPI(schema.model, published), security.documents, live)


def _address(config: APIServerConfig) -> str:
    return f"{config.advertise_address}:{config.advertise_port}"
