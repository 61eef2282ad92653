"""What the service allows, in numbers."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from alexnet.errors import ConfigError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
NAME = re.compile(r"[a-z0-9_.-]+", re.ASCII | re.IGNORECASE)


def as_sent(host: str) -> str:
    """A name or an address as browsers put it into a Host header, without the brackets."""
    plain = host.removeprefix("[").removesuffix("]")
    return ip_address(plain).compressed if _is_address(plain) else host.lower()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Settings:
    """Where the service listens, and its limits.

    `hosts` are the names that a Host header may give besides those of this machine to itself. `queue` is how many views
    may wait for the network, `batch` how many go through it at once. Times are in seconds. Raises ConfigError for a
    name that no Host header gives.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    hosts: tuple[str, ...] = ()
    max_bytes: int = 20_000_000  # of a request's body
    max_pixels: int = 50_000_000  # of a photograph
    queue: int = 128
    batch: int = 32
    slow_queue: int = 8  # of what takes seconds: saliency
    decoders: int = 2  # threads; a further one decodes large photographs
    connections: int = 256
    head_seconds: float = 10.0  # for a request's head to arrive
    body_seconds: float = 30.0  # … its body
    answer_seconds: float = 60.0  # for the answer, from when the body is there
    idle_seconds: int = 5  # that a connection is kept without a request
    stop_seconds: int = 30  # for the answers to what was accepted, when told to stop

    def __post_init__(self) -> None:
        for host in self.hosts:
            if not NAME.fullmatch(host) and not _is_address(as_sent(host)):
                raise ConfigError(
                    f"--allow-host has no name that a request can give: {host!r}; give a name such as look.example.org "
                    "or an address, with no port, no path and no https://."
                )

    @property
    def held_bytes(self) -> int:
        """What all bodies together may take in memory."""
        return max(256_000_000, 2 * self.max_bytes)

    @property
    def names(self) -> frozenset[str]:
        """The names that the service answers to."""
        return frozenset(map(as_sent, (*LOOPBACK, self.host, *self.hosts)))

    @property
    def is_open(self) -> bool:
        """Whether other machines reach it."""
        return self.host not in LOOPBACK
