"""The service on a socket, from the first connection to the last answer."""

import errno
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

Found = tuple[int, int, int, str, tuple[Any, ...]]  # by getaddrinfo
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # all addresses of this machine; the one by which it reaches itself
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
    if not settings.host:
        raise ConfigError("Cannot listen at an empty address; give one to --host, 0.0.0.0 for all of this machine's.")
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return _bound(found, settings.port)
    except PermissionError:
        raise ConfigError(f"Port {settings.port} may not be used; take one above 1023.") from None
    except (OSError, UnicodeError) as error:
        if not (isinstance(error, OSError) and error.errno == errno.EADDRINUSE and settings.port):
            reason = getattr(error, "strerror", None) or error
            text = f"Cannot listen at {settings.host}: {reason}; give --host an address of this machine."
            raise AlexNetError(text) from None
    free = next((port for port in range(settings.port + 1, settings.port + TRIED) if _is_free(found, port)), 0)
    raise ConfigError(f"Port {settings.port} is taken: {_taken(found)}. Take another: --port {free}.")


def address(settings: Settings, server: socket.socket) -> str:
    """Where a browser of this machine finds the service that listens on the socket."""
    bound, port, *_ = server.getsockname()
    host = WILDCARDS.get(bound, settings.host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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


def _bound(found: Found, port: int) -> socket.socket:
    """A socket at an address, with another port."""
    family, kind, number, _, (host, _, *rest) = found
    server = socket.socket(family, kind, number)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port, *rest))
    except OSError:
        server.close()
        raise
    return server


def _is_free(found: Found, port: int) -> bool:
    if port > 65535:
        return False
    with suppress(OSError):
        _bound(found, port).close()
        return True
    return False


def _taken(found: Found) -> str:
    """What is at the port of an address where another program listens."""
    host, port, *_ = found[4]
    connection = HTTPConnection(WILDCARDS.get(str(host), str(host)), int(port), timeout=1)
    try:
        connection.request("GET", "/v1/model")
        card = json.loads(connection.getresponse().read(1_000_000))
        return f"alexnet serve with the network {card['network']!r}, {card['model'][:15]}, is there"
    except ConnectionRefusedError:
        return "another program holds it, or one that is starting"
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
