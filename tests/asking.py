"""A real service on the loopback for tests, and a client that sends exactly the bytes it is given."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CODE = """
import sys
from pathlib import Path
import torch
from alexnet.model.device import place
from alexnet.serve.server import listen, run
from alexnet.serve.service import Service
from alexnet.serve.settings import Settings
torch.set_num_threads(1)
model, run_directory, features = (Path(word) if word else None for word in sys.argv[1:4])
changes = eval(sys.argv[4])
dtype = changes.pop("dtype", "fp32")
settings = Settings(port=0, **changes)
server = listen(settings)
service = Service(model, place("cpu", dtype), settings, run_directory, features)
run(server, service, lambda line, fault: print(line, file=sys.stderr, flush=True),
    lambda: print(server.getsockname()[1], flush=True))
"""


@dataclass
class Service:
    """A service that runs; `log` is the file of its lines."""

    port: int
    process: subprocess.Popen[str]
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str = ""
    ) -> "Answer":
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def raw(self, *pieces: bytes, wait: float = 0.0, timeout: float = 20.0) -> bytes:
        """What comes back for these bytes, sent one piece after the other, until the service closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as line:
            received = b""
            try:
                for piece in pieces:
                    line.sendall(piece)
                    time.sleep(wait)
            except (BrokenPipeError, ConnectionResetError):
                pass
            try:
                while part := line.recv(65536):
                    received += part
            except ConnectionResetError:
                pass
            return received

    def megabytes(self, field: str) -> float:
        """VmRSS, what its memory is, or VmHWM, the most that it was."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@dataclass
class Answer:
    """What a service answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def serving(
    model: Path, log: Path, *, run: Path | None = None, features: Path | None = None, **changes: Any
) -> Iterator[Service]:
    """A service of the model in a process of its own, with settings changed, or the `dtype`."""
    with open(log, "w") as lines:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(model), str(run or ""), str(features or ""), repr(changes)],
            stdout=subprocess.PIPE,
            stderr=lines,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port, log.read_text()
            yield Service(int(port), process, log)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def picture(seed: int = 0, size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    """An image file with coarse noise in it."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).resize(size).save(file, kind)
    return file.getvalue()
