"""Request bodies: how large, in which media type, read as what."""

from __future__ import annotations

import asyncio

from aiohttp import web

from apiserver.routes.options import WriteOptions
from apiserver.schema.schema import DELETE_OPTIONS, MEDIA_TYPES, Decoded, FieldValidation, Kind, Schema
from minikube_py.api.errors import RequestEntityTooLarge, Timeout, UnsupportedMediaType
from minikube_py.api.resources import Resource
from minikube_py.api.types import Object

#: A client that does not finish what it says is not waited for longer (upstream's request timeout).
_BODY_SECONDS = 60.0
#: The verdict on unknown fields where the client does not say.
DEFAULT_VALIDATION = FieldValidation.WARN


async def read_body(request: web.BaseRequest) -> bytes:
    """The whole body. Raises RequestEntityTooLarge, Timeout."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise Timeout("the request body did not arrive in time") from None
    except web.HTTPRequestEntityTooLarge:
        raise RequestEntityTooLarge(f"Request entity too large: limit is {request.client_max_size}") from None


def media_type(request: web.BaseRequest, accepted: tuple[str, ...] = MEDIA_TYPES) -> str:
    """The body's media type; JSON where none is given. Raises UnsupportedMediaType."""
    found = request.headers.get("Content-Type", "").partition(";")[0].strip().lower() or "application/json"
    if found not in accepted:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
        )
    return found


def validation_of(options: WriteOptions) -> FieldValidation:
    """What to do about unknown fields."""
    return FieldValidation(options.field_validation) if options.field_validation else DEFAULT_VALIDATION


async def read_object(
    request: web.BaseRequest, schema: Schema, expected: Resource | Kind, options: WriteOptions
) -> Decoded:
    """The object in the body. Raises UnsupportedMediaType, BadRequest."""
    kind = media_type(request)
    return schema.decode_body(await read_body(request), kind, expected, validation_of(options))


async def read_delete_options(request: web.BaseRequest, schema: Schema) -> Object | None:
    """The DeleteOptions in the body, None without a body."""
    body = await read_body(request)
    if not body:
        return None
    return schema.decode_body(body, media_type(request), DELETE_OPTIONS, FieldValidation.IGNORE).object
