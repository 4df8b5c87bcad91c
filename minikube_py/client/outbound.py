"""One HTTP request from this very process, told as curl tells it (curl(1), EXIT CODES)."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

_COULD_NOT_RESOLVE, _COULD_NOT_CONNECT, _TIMED_OUT, _BROKE_OFF = 6, 7, 28, 56


async def get(url: str, *, headers: Mapping[str, str], seconds: float) -> tuple[int, int, bytes]:
    """(curl's exit code, status, body), over a connection of its own. Raises nothing that a network can do."""
    limit = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, connector=aiohttp.TCPConnector(force_close=True)) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            return 0, response.status, await response.read()
    except TimeoutError:
        return _TIMED_OUT, 0, b""
    except aiohttp.ClientConnectorDNSError:
        return _COULD_NOT_RESOLVE, 0, b""
    except aiohttp.ClientConnectorError:
        return _COULD_NOT_CONNECT, 0, b""
    except (aiohttp.ClientError, OSError):
        return _BROKE_OFF, 0, b""
