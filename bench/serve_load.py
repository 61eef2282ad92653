"""Clients that ask a running service all at once, and check every answer against `alexnet predict`'s.

    python bench/serve_load.py http://127.0.0.1:8000 MODEL PHOTOGRAPH... [--clients 64] [--requests 20000]

Start the service with `--dtype fp32`. A line says requests a second, the median and the 99th percentile, the answers
of each status, the largest difference from predict's probabilities, the processor's time, and the service's memory
before and after. Exits with 1 when an answer was wrong or lost. For a comparison in turns, start a second service with
`--batch 1` and give both addresses.
"""

import argparse
import json
import re
import statistics
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from alexnet import Predictor, place

CLASSES = 10_000


class Client(threading.Thread):
    """One connection that asks until the shared count is used up."""

    def __init__(self, address: str, contents: list[bytes], right: list[dict[str, float]], count: "Count") -> None:
        super().__init__()
        self.place = urlsplit(address).netloc
        self.contents, self.right, self.count = contents, right, count
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}
        self.difference = 0.0

    def run(self) -> None:
        """Asks."""
        connection = HTTPConnection(self.place, timeout=120)
        while (number := self.count.take()) is not None:
            which = number % len(self.contents)
            begin = time.perf_counter()
            try:
                connection.request("POST", f"/v1/predict?k={CLASSES}", self.contents[which])
                response = connection.getresponse()
                body = response.read()
                status = response.status
            except OSError:
                status, body = 0, b""
                connection.close()
            self.seconds.append(time.perf_counter() - begin)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status == 200:
                for each in json.loads(body)["predictions"]:
                    far = abs(each["probability"] - self.right[which][each["key"]])
                    self.difference = max(self.difference, far)


class Count:
    """Numbers from 0 on, each handed out once."""

    def __init__(self, end: int) -> None:
        self._next, self._end, self._lock = 0, end, threading.Lock()

    def take(self) -> int | None:
        """The next number; None after the last."""
        with self._lock:
            if self._next == self._end:
                return None
            self._next += 1
            return self._next - 1


def resources(address: str) -> tuple[float, float]:
    """Megabytes and processor seconds of a service, from its own counters."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = {name: float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1]) for name in NAMES}  # type: ignore[index]
    return found[NAMES[0]] / 1e6, found[NAMES[1]]


NAMES = ("process_resident_memory_bytes", "process_cpu_seconds_total")


def measure(address: str, contents: list[bytes], right: list[dict[str, float]], clients: int, requests: int) -> bool:
    """One round: prints a line; returns whether every request was answered rightly."""
    memory, worked = resources(address)
    count = Count(requests)
    asking = [Client(address, contents, right, count) for _ in range(clients)]
    begin = time.perf_counter()
    for client in asking:
        client.start()
    for client in asking:
        client.join()
    took = time.perf_counter() - begin
    after, worked_after = resources(address)
    seconds = sorted(second for client in asking for second in client.seconds)
    statuses = {code: sum(client.statuses.get(code, 0) for client in asking) for code in (200, 503, 0)}
    difference = max(client.difference for client in asking)
    print(
        f"{address}  {clients} clients  {requests / took:.1f} requests/s  "
        f"median {statistics.median(seconds) * 1000:.1f} ms  p99 {seconds[int(0.99 * len(seconds))] * 1000:.1f} ms  "
        f"{(worked_after - worked) / requests * 1000:.2f} ms of processor a request  "
        f"200: {statuses[200]}  503: {statuses[503]}  lost: {statuses[0]}  "
        f"difference {difference:.1e}  memory {memory:.0f} → {after:.0f} MB"
    )
    return sum(statuses.values()) == requests and statuses[0] == 0 and difference <= 1e-6


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("address", nargs="+", help="addresses, then the model, then photographs")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    addresses = [each for each in given.address if each.startswith("http")]
    model, *photographs = [each for each in given.address if not each.startswith("http")]
    contents = [Path(each).read_bytes() for each in photographs]
    predictor = Predictor(model, placement=place("cpu", "fp32"))
    right = [
        {each.key: each.probability for each in predictor.predict(content, CLASSES).answers} for content in contents
    ]
    fine = True
    for _ in range(given.rounds):
        for address in addresses:
            fine &= measure(address, contents, right, given.clients, given.requests)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
