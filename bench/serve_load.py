"""`alexnet serve` under load: batches of what waits beside one photograph at a time, in turns; every answer is checked.

    .venv/bin/python bench/serve_load.py --json results/speed/MACHINE-serve.json
    .venv/bin/python bench/serve_load.py --model MODEL --rounds 1 --requests 128 --long 0       # to see that it runs

Two services of one model run side by side, of which one is asked at a time. `hey` asks where it is installed, so that
the client costs little; then connections of this program's own ask again and compare every answer with `predict`'s.
Last, `--long` requests go to one service while its memory is read. Without --model the network is `paper` from noise
with a thousand classes. Let nothing else run meanwhile.
"""

import argparse
import csv
import json
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import torch

from alexnet import Predictor, place
from alexnet.data.source import Category
from alexnet.experiments.bench.machine import machine
from alexnet.experiments.bench.photographs import store_of, write_photographs
from alexnet.model.net import AlexNet
from alexnet.model.variants import variant
from alexnet.weights.model_dir import Model, save_model

CLASSES = 10_000
MANY = 64
COMMAND = (sys.executable, "-m", "alexnet")
PATH = f"/v1/predict?k={CLASSES}"
NAMES = ("process_resident_memory_bytes", "process_cpu_seconds_total")


class Client(threading.Thread):
    """One connection that asks until the shared numbers are used up, and compares what it is answered."""

    def __init__(
        self, address: str, contents: list[bytes], right: list[dict[str, float]], numbers: Iterator[int]
    ) -> None:
        super().__init__()
        self.place = urlsplit(address).netloc
        self.contents, self.right, self.numbers = contents, right, numbers
        self.statuses: Counter[int] = Counter()
        self.difference = 0.0

    def run(self) -> None:
        """Asks."""
        with closing(HTTPConnection(self.place, timeout=120)) as connection:
            for number in self.numbers:
                which = number % len(self.contents)
                try:
                    status, body = self._answer(connection, self.contents[which])
                except OSError:
                    status, body = 0, b""
                    connection.close()
                self.statuses[status] += 1
                if status == 200:
                    for each in json.loads(body)["predictions"]:
                        far = abs(each["probability"] - self.right[which][each["key"]])
                        self.difference = max(self.difference, far)

    def _answer(self, connection: HTTPConnection, content: bytes) -> tuple[int, bytes]:
        for last in (False, True):
            try:
                connection.request("POST", PATH, content)
                response = connection.getresponse()
            except ConnectionError:  # a service closes a connection on which nobody asked for some seconds
                connection.close()
                if last:
                    raise
            else:
                return response.status, response.read()
        raise AssertionError


def checked(address: str, contents: list[bytes], right: list[dict[str, float]], requests: int) -> dict[str, Any]:
    """The statuses of so many requests over 64 connections (0: lost), and the farthest probability from predict's."""
    numbers = iter(range(requests))  # next() of a range is one step of the interpreter, so threads may share it
    clients = [Client(address, contents, right, numbers) for _ in range(MANY)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    statuses = sum((client.statuses for client in clients), Counter())
    return {"statuses": dict(statuses), "difference": max(client.difference for client in clients)}


def resources(address: str) -> tuple[float, float]:
    """Megabytes and processor seconds of a service, from its own counters."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = {name: float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1]) for name in NAMES}  # type: ignore[index]
    return found[NAMES[0]] / 1e6, found[NAMES[1]]


def asked(address: str, photograph: Path, clients: int, requests: int) -> dict[str, Any]:
    """What `hey` measures: a photograph sent `requests` times over so many connections."""
    requests -= requests % clients
    words = ["-n", str(requests), "-c", str(clients), "-m", "POST", "-D", str(photograph), "-t", "120", "-o", "csv"]
    _, worked = resources(address)
    begin = time.perf_counter()
    told = subprocess.run(["hey", *words, address + "/v1/predict"], check=True, capture_output=True, text=True).stdout
    took = time.perf_counter() - begin
    memory, after = resources(address)
    rows = list(csv.DictReader(told.splitlines()))
    seconds = sorted(float(row["response-time"]) for row in rows)
    statuses = Counter(int(row["status-code"]) for row in rows)
    return {
        "clients": clients, "requests": requests, "requests_per_s": requests / took,
        "median_ms": statistics.median(seconds) * 1000, "p99_ms": seconds[int(0.99 * len(seconds))] * 1000,
        "processor_ms": (after - worked) / requests * 1000, "memory_mb": memory, "statuses": dict(statuses),
    }  # fmt: skip


@contextmanager
def service(model: Path, batch: int) -> Iterator[tuple[str, float]]:
    """The address of a service of its own process, and the seconds from its start to its first answer."""
    begin = time.perf_counter()
    words = ["serve", str(model), "--port", "0", "--dtype", "fp32", "--batch", str(batch)]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        resources(address)
        took = time.perf_counter() - begin
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield address, took
        finally:
            process.terminate()
            if process.wait(60) != 0:
                raise SystemExit(f"The service ended with {process.returncode}.")


def starts(model: Path, photograph: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds from a cold start: of a service to its first answer, of `alexnet predict` to its end; in turns."""
    found: dict[str, list[float]] = {"ready": [], "predict": []}
    for _ in range(rounds):
        begin = time.perf_counter()
        words = ["predict", str(model), str(photograph), "--dtype", "fp32"]
        subprocess.run([*COMMAND, *words], check=True, capture_output=True)
        found["predict"].append(time.perf_counter() - begin)
        with service(model, 32) as (_, took):
            found["ready"].append(took)
    return found


def noise(path: Path) -> Path:
    """`paper` from noise with a thousand classes, as a model directory."""
    net = AlexNet(variant("paper"), generator=torch.Generator().manual_seed(0)).eval()
    with store_of(None, 64) as store:
        names = tuple(Category(f"class{number}", f"class {number}") for number in range(1000))
        save_model(Model(net, names, store.statistics, {}, store.preparation), path)
    return path


def main(words: list[str]) -> dict[str, Any]:
    """Measures and prints; returns the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="0: only --long")
    parser.add_argument("--requests", type=int, default=512, help="of 64 clients in a round; one client has an eighth")
    parser.add_argument("--long", type=int, default=20_000, help="requests over which memory is read; 0: none")
    parser.add_argument("--json", type=Path, help="where the record goes")
    given = parser.parse_args(words)
    if shutil.which("hey") is None:
        raise SystemExit("The program `hey` asks here: apt-get install hey, or see github.com/rakyll/hey.")
    with TemporaryDirectory() as folder:
        model = given.model or noise(Path(folder) / "noise")
        photographs = sorted(write_photographs(Path(folder) / "photographs", 8).rglob("*.jpg"))
        contents = [each.read_bytes() for each in photographs]
        predictor = Predictor(model, placement=place("cpu", "fp32"))
        right = [
            {each.key: each.probability for each in predictor.predict(content, CLASSES).answers} for content in contents
        ]
        record: dict[str, Any] = {"machine": machine(place("cpu", "fp32")), "network": model.name}
        record["starts_s"] = starts(model, photographs[0], given.rounds)
        record["rounds"] = []
        with service(model, 32) as (together, _), service(model, 1) as (alone, _):
            services = {"together": together, "alone": alone}
            for address in services.values():
                asked(address, photographs[0], 1, 8)  # warm
            for number in range(given.rounds):
                for name in list(services)[:: 1 if number % 2 == 0 else -1]:
                    for clients, requests in ((1, max(1, given.requests // 8)), (MANY, given.requests)):
                        found = asked(services[name], photographs[0], clients, requests)
                        record["rounds"].append({"service": name, **found})
            record["checked"] = {
                name: checked(address, contents, right, given.requests) for name, address in services.items()
            }
        record["long"] = []
        if given.long:
            with service(model, 32) as (address, _):
                asked(address, photographs[0], MANY, 4 * MANY)
                for _ in range(0, given.long, 2000):
                    found = asked(address, photographs[0], MANY, min(2000, given.long))
                    record["long"].append({name: found[name] for name in ("requests", "memory_mb", "statuses")})
    record["ratios"] = ratios(record)
    told(record)
    if given.json:
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def ratios(record: dict[str, Any]) -> dict[str, float]:
    """Batches of what waits against one at a time, by the medians of the rounds; ready against predict."""

    def median(service: str, clients: int, what: str) -> float:
        rows = [row[what] for row in record["rounds"] if (row["service"], row["clients"]) == (service, clients)]
        return statistics.median(rows)

    def ratio(clients: int, what: str) -> float:
        return median("together", clients, what) / median("alone", clients, what)

    found = {}
    if record["rounds"]:
        begun = {name: statistics.median(seconds) for name, seconds in record["starts_s"].items()}
        found = {
            "requests_per_s, 64 clients": ratio(MANY, "requests_per_s"),
            "processor_ms, 64 clients": ratio(MANY, "processor_ms"),
            "median_ms, 1 client": ratio(1, "median_ms"),
            "ready / predict": begun["ready"] / begun["predict"],
        }
    if record["long"]:
        found["memory_mb, last - first"] = record["long"][-1]["memory_mb"] - record["long"][0]["memory_mb"]
    return found


def told(record: dict[str, Any]) -> None:
    """Prints the rounds, what was checked, and the ratios."""
    for row in record["rounds"]:
        print(
            f"{row['service']:9} {row['clients']:3} clients {row['requests_per_s']:7.1f} requests/s  "
            f"median {row['median_ms']:7.1f} ms  p99 {row['p99_ms']:7.1f} ms  "
            f"{row['processor_ms']:6.1f} ms of processor a request  {row['statuses']}"
        )
    for name, found in record["checked"].items():
        print(f"{name:9} every answer compared: {found['statuses']}, farthest from predict {found['difference']:.1e}")
    for number, row in enumerate(record["long"]):
        print(
            f"long      after {(number + 1) * row['requests']:6} requests: {row['memory_mb']:.0f} MB {row['statuses']}"
        )
    for name, value in record["ratios"].items():
        print(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
