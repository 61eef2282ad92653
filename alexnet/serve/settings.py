"""What the service allows, in numbers."""

from dataclasses import dataclass

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Settings:
    """Where the service listens, and its limits.

    `hosts` are the names that a Host header may give besides those of this machine to itself. `queue` is how many views
    may wait for the network, `batch` how many go through it at once. Times are in seconds.
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

    @property
    def held_bytes(self) -> int:
        """What all bodies together may take in memory."""
        return max(256_000_000, 2 * self.max_bytes)

    @property
    def names(self) -> frozenset[str]:
        """The names that the service answers to."""
        own = () if self.host in ("0.0.0.0", "::", "") else (self.host,)
        return frozenset(name.lower().strip("[]") for name in (*LOOPBACK, *own, *self.hosts))

    @property
    def is_open(self) -> bool:
        """Whether other machines reach it."""
        return self.host not in LOOPBACK
