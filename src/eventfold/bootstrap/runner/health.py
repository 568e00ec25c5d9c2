"""What an orchestrator asks over HTTP: does the runner live, is it ready, and, for who has the token, how it is."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventfold.bootstrap.runner.supervisor import Supervisor
from eventfold.errors import InvalidInput

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Health", "answering", "check"]

_MOST_AT_ONCE: Final = 64
"""Requests that are answered at the same time; more get 503."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where `/live`, `/ready` and `/details` are answered.

    Args:
        port: 0 for a free one, which the happening `health` tells.
        host: this machine alone by default; `0.0.0.0` for everybody.
        token: whoever asks for details says it, `Authorization: Bearer …`. Without one, details are refused.
    """

    port: int
    host: str = "127.0.0.1"
    token: str | None = None


def check(health: Health) -> None:
    """Raises InvalidInput: no port, an empty token, or the libraries are not installed."""
    if not 0 <= health.port <= 65_535:
        raise InvalidInput(f"health port {health.port}: between 0 and 65535")
    if health.token is not None and not (
        health.token.isascii() and health.token.isprintable() and health.token.strip()
    ):
        raise InvalidInput("the health token has to be printable ASCII, and not empty; leave it away to refuse details")
    for library in ("starlette", "uvicorn"):
        try:
            import_module(library)
        except ModuleNotFoundError as error:
            if error.name != library:
                raise
            raise InvalidInput(
                f"a health port needs {library}, which is not installed: pip install 'eventfold[web]'"
            ) from error


@asynccontextmanager
async def answering(health: Health, supervisor: Supervisor) -> AsyncGenerator[str]:
    """
    Answers for this block. Gives the address.

    Raises:
        InvalidInput: nobody can listen there, with the reason.
    """
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield  # signals are the supervisor's

    with _bound(health) as listening:
        config = uvicorn.Config(
            _application(health, supervisor),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_MOST_AT_ONCE,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="eventfold health")
        try:
            host, port = listening.getsockname()[:2]
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            server.should_exit = True
            await serving


def _bound(health: Health) -> socket.socket:
    try:
        found = socket.getaddrinfo(health.host, health.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        raise InvalidInput(f"nobody can listen on {health.host} port {health.port}: {error}") from error


def _application(health: Health, supervisor: Supervisor) -> Any:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    def answer(value: object, status: int = 200, **headers: str) -> Response:
        return Response(msgspec.json.encode(value), status, headers, "application/json")

    async def live(request: Request) -> Response:
        return answer({"live": True})

    async def ready(request: Request) -> Response:
        return answer({"ready": supervisor.ready}, 200 if supervisor.ready else 503)

    async def details(request: Request) -> Response:
        if health.token is None:
            return answer({"error": "this runner was started without a health token, so it tells no details"}, 403)
        if not _knows(request.headers.get("authorization", ""), health.token):
            return answer(
                {"error": "Authorization: Bearer …, with the health token"}, 401, **{"WWW-Authenticate": "Bearer"}
            )
        workers = [each.details() for each in supervisor.workers]
        stopping = supervisor.stopping.is_set()
        return answer({"ready": supervisor.ready, "stopping": stopping, "processes": workers})

    return Starlette(routes=[Route("/live", live), Route("/ready", ready), Route("/details", details)])


def _knows(header: str, token: str) -> bool:
    """Compared in a time that tells nothing of where they differ."""
    scheme, _, given = header.partition(" ")
    return hmac.compare_digest(given.strip().encode(), token.encode()) and scheme.lower() == "bearer"
