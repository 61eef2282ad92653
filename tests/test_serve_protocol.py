import json
import socket
import time
from contextlib import ExitStack

import pytest
from asking import Service, picture


def code(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return str(json.loads(body)["code"])


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_does_not_come_is_given_up(served: Service, head: bytes) -> None:
    begin = time.monotonic()
    assert code(served.raw(head)) == "too_slow"
    assert time.monotonic() - begin < 15


def test_a_head_that_trickles_gains_no_time(served: Service) -> None:
    head = b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 60
    begin = time.monotonic()
    answer = served.raw(*(head[number : number + 1] for number in range(len(head))), wait=0.1)
    assert answer == b"" or code(answer) == "too_slow"  # the answer is lost where the sender goes on
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
        b"GET / HTTP/9\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
    ],
    ids=["TLS", "version", "length", "two lengths", "two hosts", "no host", "endless"],
)
def test_what_is_not_http_is_refused_in_json(served: Service, request_bytes: bytes) -> None:
    assert code(served.raw(request_bytes)) == "not_http"


def test_a_refused_body_is_not_read_for_ever(served: Service) -> None:
    begin = time.monotonic()
    head = b"POST /no HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
    answer = served.raw(head, *[b"a"] * 60, wait=0.1)
    assert answer.startswith(b"HTTP/1.1 404 ") and answer.count(b"HTTP/1.1") == 1
    assert time.monotonic() - begin < 15


def test_who_ends_sending_has_left(served: Service) -> None:
    """As a browser that closes: half a request, or a whole one, and then no more."""
    for request in (b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.port), timeout=15) as line:
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
            while line.recv(65536):
                pass
    assert served.ask("/healthz").status == 200
    assert "error" not in served.log.read_text()


def test_connections_are_bounded(served: Service) -> None:
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection(("127.0.0.1", served.port))) for _ in range(80)]
        time.sleep(0.2)
        assert code(served.raw()) == "busy"
        assert lines
    time.sleep(0.2)
    assert served.ask("/v1/predict", picture()).status == 200
