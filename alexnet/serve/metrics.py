"""What the service counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

TYPE: str = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
VIEWS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one service."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "alexnet_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "alexnet_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._views = Histogram(
            "alexnet_batch_views",
            "Views that went through the network together.",
            buckets=VIEWS,
            registry=self._registry,
        )
        held = Gauge("alexnet_waiting_views", "Views that wait for the network.", registry=self._registry)
        held.set_function(waiting)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts an answer."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, views: int) -> None:
        """Counts a batch."""
        self._views.observe(views)

    def text(self) -> bytes:
        """All of them as Prometheus reads them, of the media type `TYPE`."""
        found: bytes = generate_latest(self._registry)
        return found
