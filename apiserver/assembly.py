"""How the parts of the API server fit together: everything but sockets, so that tests can have all of it in memory."""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.admission.chain import AdmissionChain
from apiserver.admission.namespaces import NamespaceLifecycle
from apiserver.auth.authentication import Authenticator, StaticTokens, TokenAuthenticator
from apiserver.auth.authorization import AlwaysAllow, Authorization
from apiserver.auth.nodes import NodeAuthorizer
from apiserver.auth.rbac import RBAC
from apiserver.boot import Boot
from apiserver.listeners import agent_tls_context
from apiserver.registry.catalog import Dependencies
from apiserver.routes.api import API
from apiserver.routes.catalog import Catalog, StoreReader
from apiserver.routes.dispatch import Dispatcher
from apiserver.routes.documents import Documents
from apiserver.routes.health import Health
from apiserver.routes.options import WriteOptions
from apiserver.routes.patching import Patcher
from apiserver.routes.resources import ResourceRoutes
from apiserver.routes.streaming.routes import Streaming
from apiserver.routes.subresources.routes import Subresources
from apiserver.routes.writing import Writer, WriteRequest
from apiserver.schema.discovery import Discovery
from apiserver.schema.schema import Schema
from apiserver.store.store import Store
from minikube_py.aio.clock import Clock
from minikube_py.api.errors import NotImplementedByServer
from minikube_py.api.resources import ResourceTable
from minikube_py.api.types import Object
from minikube_py.config.parts import APIServerConfig


@dataclass(frozen=True, slots=True)
class Assembly:
    """The assembled server."""

    api: API
    boot: Boot
    catalog: Catalog
    writer: Writer
    streaming: Streaming


def assemble(config: APIServerConfig, *, store: Store, clock: Clock) -> Assembly:
    """Put everything together. Raises OSError where a file of the configuration cannot be read."""
    schema = Schema.load()
    catalog = Catalog(ResourceTable(), store=store, deps=Dependencies.from_network(config.network), now=clock.now)
    writer = Writer(
        reader=StoreReader(store),
        admission=AdmissionChain([NamespaceLifecycle()]),
        schema=schema,
        track=field_tracker,
    )
    routes = ResourceRoutes(
        store=store,
        schema=schema,
        writer=writer,
        patcher=Patcher(writer=writer, schema=schema, apply=no_apply),
        clock=clock,
    )
    streaming = Streaming(reader=writer.reader, agents=agent_tls_context(config))
    subresources = Subresources(schema=schema, writer=writer, routes=routes)
    dispatcher = Dispatcher(
        catalog=catalog, routes=routes, subresources={**subresources.table(), **streaming.table()}, reviews={}
    )
    health = Health(alive={"ping": lambda: ""}, ready={})
    api = API(
        authenticator=Authenticator(_tokens(config)),
        authorizer=_authorization(config, store),
        public=health.answer,
        documents=Documents(Discovery(catalog.table.all(), server_address=_address(config))).answer,
        resources=dispatcher.serve,
    )
    return Assembly(api, Boot(catalog=catalog, writer=writer, config=config), catalog, writer, streaming)


def field_tracker(new: Object, old: Object | None, request: WriteRequest) -> None:
    """Keeps managedFields (schema.managedfields, to come)."""
    del new, old, request


def no_apply(present: Object | None, body: bytes, request: WriteRequest, options: WriteOptions) -> Object:
    """Server-side apply (schema.managedfields, to come)."""
    del present, body, request, options
    raise NotImplementedByServer("server-side apply is not implemented by this server")


def _authorization(config: APIServerConfig, store: Store) -> Authorization:
    if config.authorization_mode == "AlwaysAllow":
        return Authorization([AlwaysAllow()])
    return Authorization([NodeAuthorizer(store), RBAC(store)])


def _address(config: APIServerConfig) -> str:
    return f"{config.advertise_address}:{config.advertise_port}"


def _tokens(config: APIServerConfig) -> list[TokenAuthenticator]:
    return [StaticTokens.read(config.token_file)] if config.token_file is not None else []
