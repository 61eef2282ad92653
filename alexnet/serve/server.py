"""The service on a socket, from the first connection to the last answer."""

import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from alexnet.errors import AlexNetError, ConfigError
from alexnet.serve.guard import Guard
from alexnet.serve.protocol import protocol
from alexnet.serve.routes import Routes
from alexnet.serve.service import Service
from alexnet.serve.settings import Settings

TRIED = 100  # ports that are looked at for a free one


class Application:
    """The whole of it for an ASGI server: the guard before the routes, the service's start and end.

    `ready` is called when the next connection will be answered. `say` is the guard's.
    """

    def __init__(self, service: Service, say: Callable[[str, bool], None], ready: Callable[[], None]) -> None:
        self._service, self._say, self._ready = service, say, ready
        self._guard: Guard | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request, or the whole life of the server."""
        if scope["type"] == "http" and self._guard is not None:
            await self._guard(scope, receive, send)
        elif scope["type"] == "lifespan":
            await receive()
            service = self._service
            service.start()
            self._guard = Guard(Routes(service).router, service.settings, service.metrics, self._say)
            self._ready()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await service.close()
            await send({"type": "lifespan.shutdown.complete"})


class Server(uvicorn.Server):
    """uvicorn's, which a second signal of either kind stops at once."""

    def __init__(self, config: Any, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal: no new connections, answers to what was accepted. The second: the end."""
        self._service.stopping = True
        if self.should_exit:
            self.force_exit = True
        super().handle_exit(sig, frame)


def listen(settings: Settings) -> socket.socket:
    """A socket bound to the settings' address; nobody can connect before it listens.

    Raises ConfigError, with what is there and the next free port, when the port is taken; AlexNetError for an address
    that is not this machine's.
    """
    try:
        return _bound(settings.host, settings.port)
    except PermissionError:
        raise ConfigError(f"Port {settings.port} may not be used; take one above 1023.") from None
    except OSError as error:
        taken = settings.port and _taken(settings)
        if not taken:
            raise AlexNetError(f"Cannot listen at {settings.host}: {error.strerror or error}.") from None
    free = next((port for port in range(settings.port + 1, settings.port + TRIED) if _is_free(settings.host, port)), 0)
    raise ConfigError(f"Port {settings.port} is taken: {taken}. Take another: --port {free}.")


def run(server: socket.socket, service: Service, say: Callable[[str, bool], None], ready: Callable[[], None]) -> None:
    """Answers on the socket until SIGTERM or Ctrl-C; then answers what was accepted, and returns.

    `say` gets a line for each request, and whether it is a fault; `ready` is called before the first.
    """
    settings = service.settings

    def listening() -> None:
        server.listen(settings.connections)
        for remark in service.remarks:
            say(remark, True)
        ready()

    config = uvicorn.Config(
        Application(service, say, listening),
        http=protocol(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.idle_seconds,
        timeout_graceful_shutdown=settings.stop_seconds,
    )
    with _signals_do_nothing():  # once the server has seen to them, it raises them again
        Server(config, service).run([server])


def _bound(host: str, port: int) -> socket.socket:
    family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    server = socket.socket(family, kind, number)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
    except OSError:
        server.close()
        raise
    return server


def _is_free(host: str, port: int) -> bool:
    if port > 65535:
        return False
    with suppress(OSError):
        _bound(host, port).close()
        return True
    return False


def _taken(settings: Settings) -> str:
    """What is at the port; empty when nothing is."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host
    connection = HTTPConnection(host, settings.port, timeout=1)
    try:
        connection.request("GET", "/v1/model")
        card = json.loads(connection.getresponse().read(1_000_000))
        return f"alexnet serve with the network {card['network']!r}, {card['model'][:15]}, is there"
    except ConnectionRefusedError:
        return "" if _is_free(settings.host, settings.port) else "another program holds it, or one that is starting"
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return "another program is there"
    finally:
        connection.close()


@contextmanager
def _signals_do_nothing() -> Iterator[None]:
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
