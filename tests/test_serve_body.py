"""What is hostile as a body: too large, too slow, no image, a bomb, mutated; refused in JSON that tells nothing."""

import asyncio
import socket
import threading
import zlib
from io import BytesIO
from pathlib import Path
from struct import pack

import pytest
from asking import Service, picture, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from making import tiny_model
from PIL import Image
from starlette.requests import Request

from alexnet.data.store import Store
from alexnet.serve.body import Bodies
from alexnet.serve.problems import Problem
from alexnet.serve.settings import Settings
from alexnet.weights.model_dir import save_model

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(served: Service) -> None:
    answer = served.raw(HEAD + b"Content-Length: 99999999\r\n\r\n")
    assert (
        answer.startswith(b"HTTP/1.1 413 ") and b"too_many_bytes" in answer and b"connection: close" in answer.lower()
    )


def test_a_body_in_chunks_is_counted_as_it_comes(served: Service) -> None:
    chunk = b"%x\r\n" % 100_000 + bytes(100_000) + b"\r\n"
    answer = served.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 4)
    assert answer.startswith(b"HTTP/1.1 413 ") and b"too_many_bytes" in answer


def test_a_photograph_in_chunks_is_answered(served: Service) -> None:
    content = picture()
    chunks = [b"%x\r\n" % len(part) + part + b"\r\n" for part in (content[:100], content[100:])]
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert served.raw(head, *chunks, b"0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_body_that_does_not_come_is_given_up(served: Service) -> None:
    answer = served.raw(HEAD + b"Content-Length: 1000\r\n\r\n", b"abc")
    assert answer.startswith(b"HTTP/1.1 408 ") and b"too_slow" in answer


def test_bodies_that_fill_the_memory_together_turn_the_next_away() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": bytes(100), "more_body": False}

    async def read(bodies: Bodies) -> bytes:
        with bodies.held_by() as body:
            return await body.read(Request({"type": "http", "method": "POST", "headers": []}, receive))

    limits = Settings()
    bodies = Bodies(limits)
    bodies.held = limits.held_bytes - 100  # of others
    assert len(asyncio.run(read(bodies))) == 100
    bodies.held += 1
    with pytest.raises(Problem, match="Other photographs fill the memory"):
        asyncio.run(read(bodies))
    assert bodies.held == limits.held_bytes - 99, "what was read of it is given back"


def test_a_form_is_told_what_to_send(served: Service) -> None:
    answer = served.ask("/v1/predict", b"--x", {"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status == 415 and "curl --data-binary" in answer.json["detail"]


def test_a_sender_who_leaves_in_the_middle_is_no_fault(served: Service) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(HEAD + b"Content-Length: 1000\r\n\r\nabc")
    assert served.ask("/v1/predict", picture()).status == 200
    assert "error" not in served.log.read_text()


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it has many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    head = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(width * 3 + 1) * min(height, 3_600_000 // width), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def progressive() -> bytes:
    file = BytesIO()
    Image.new("RGB", (1200, 1000)).save(file, "JPEG", progressive=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_an_image"),
        (b"%PDF-1.7 and more", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (picture()[:-30], "unusable_image"),
        (picture(kind="JPEG")[:300], "unusable_image"),
        (bomb(1100, 1000), "too_many_pixels"),
        (bomb(60_000, 60_000), "too_many_pixels"),
        (progressive(), "too_many_pixels"),
    ],
    ids=["empty", "pdf", "svg", "half a PNG", "half a JPEG", "PNG bomb", "PNG bomb, large", "progressive JPEG"],
)
def test_what_is_no_photograph_is_refused_with_its_reason(served: Service, content: bytes, code: str) -> None:
    answer = served.ask("/v1/predict", content)
    assert answer.status == 422 and answer.json["code"] == code, answer.body
    assert answer.json["detail"].endswith(".")


def test_large_photographs_take_memory_one_after_the_other(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    file = BytesIO()
    Image.new("RGBA", (4000, 4000)).save(file, "PNG")
    content = file.getvalue()
    with serving(tmp_path / "model", tmp_path / "log") as service:
        before = service.megabytes("VmRSS")
        threads = [threading.Thread(target=service.ask, args=("/v1/predict", content)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        one = 16 * (4 + 4 + 4 + 4 + 3 + 3)  # bytes of its pixels: as decoded, laid on white, as RGB
        assert service.megabytes("VmHWM") - before < 1.2 * one
        assert service.megabytes("VmRSS") - before < 200


def test_a_baseline_jpeg_of_too_many_pixels_is_read_at_reduced_size(served: Service) -> None:
    file = BytesIO()
    Image.new("RGB", (1200, 1000), "teal").save(file, "JPEG")
    answer = served.ask("/v1/predict", file.getvalue())
    assert answer.status == 200 and answer.json["treatments"] == ["1200×1000 pixels read at 1/2 of the size"]


SEEDS = [picture(kind=kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")]
SECRETS = ("Traceback", str(Path.home()), "/usr", "/tmp", ".py", "site-packages")


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.sampled_from(SEEDS),
    cut=st.integers(0, 4000),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=12),
    tail=st.binary(max_size=40),
)
def test_mutated_photographs_are_answered_or_refused(
    served: Service, seed: bytes, cut: int, changes: list[tuple[int, int]], tail: bytes
) -> None:
    content = bytearray(seed)
    for place, value in changes:
        content[place % len(content)] = value
    mutated = bytes(content[: max(0, len(content) - cut)]) + tail if cut % 3 == 0 else bytes(content) + tail
    answer = served.ask("/v1/predict", mutated)
    assert answer.status in (200, 422), answer.body
    text = answer.body.decode()
    assert not [secret for secret in SECRETS if secret in text], text


def test_after_all_this_the_service_answers(served: Service) -> None:
    assert served.ask("/v1/predict", picture()).status == 200
    assert "error" not in served.log.read_text()
