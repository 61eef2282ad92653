import hashlib
import re
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alexnet.data import download as module
from alexnet.data.download import ARCHIVES, Archive, download
from alexnet.errors import AlexNetError, ConfigError, DataError
from alexnet.locking import BusyError

CONTENT = bytes(range(256)) * 12_000  # 3 MB: several blocks


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT, whole or from a byte on, and breaks off when told."""

    ranges = True
    breaks_off_after: int | None = None
    requests: list[str | None]

    def do_GET(self):
        wanted = self.headers["Range"]
        self.requests.append(wanted)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        content = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.breaks_off_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    handler = type("Recording", (Handler,), {"requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=partial(running.serve_forever, poll_interval=0.01))
        thread.start()
        url = f"http://127.0.0.1:{running.server_port}/data/set.tgz"
        monkeypatch.setitem(ARCHIVES, "toy", Archive(url, hashlib.sha256(CONTENT).hexdigest()))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield handler
        running.shutdown()
        thread.join()


def test_archive_is_fetched_once_under_its_name(server, tmp_path):
    cache = tmp_path / "new" / "cache"
    path = download("toy", cache)
    assert path == cache / "set.tgz"
    assert path.read_bytes() == CONTENT
    assert [file.name for file in cache.iterdir()] == ["set.tgz"]
    assert download("toy", cache) == path
    assert server.requests == [None]


def test_progress_counts_bytes_up_to_the_total(server, tmp_path):
    calls = []
    download("toy", tmp_path, lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert len(calls) > 1
    assert calls[-1] == (len(CONTENT), len(CONTENT))


def test_interrupted_download_is_continued(server, tmp_path):
    server.breaks_off_after = 1_500_000
    with pytest.raises(DataError, match=r"ended after 1,500,000 of 3,072,000 bytes"):
        download("toy", tmp_path)
    assert not (tmp_path / "set.tgz").exists()
    server.breaks_off_after = None
    calls = []
    assert download("toy", tmp_path, lambda done, total: calls.append((done, total))).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1500000-"]
    assert calls[0][0] > 1_500_000
    assert calls[-1] == (len(CONTENT), len(CONTENT))


def test_server_that_knows_no_ranges_starts_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "set.tgz.part").write_bytes(b"something else")
    assert download("toy", tmp_path).read_bytes() == CONTENT


def test_download_interrupted_before_its_check_is_not_fetched_again(server, tmp_path):
    (tmp_path / "set.tgz.part").write_bytes(CONTENT)
    assert download("toy", tmp_path).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_wrong_digest_is_an_error_and_nothing_is_kept(server, tmp_path):
    (tmp_path / "set.tgz.part").write_bytes(b"\0" * 1000)  # the rest is right
    expected = ARCHIVES["toy"].sha256
    with pytest.raises(DataError, match=rf"has SHA-256 [0-9a-f]{{64}} where {expected} was expected"):
        download("toy", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_file_in_the_cache_is_an_error_and_is_kept(server, tmp_path):
    (tmp_path / "set.tgz").write_bytes(b"mine")
    with pytest.raises(DataError, match="was expected: it is another file or damaged"):
        download("toy", tmp_path)
    assert (tmp_path / "set.tgz").read_bytes() == b"mine"
    assert server.requests == []


def test_unreachable_server_says_how_to_do_without(tmp_path, monkeypatch):
    url = "http://127.0.0.1:9/set.tgz"  # the discard port, where nothing listens
    monkeypatch.setitem(ARCHIVES, "toy", Archive(url, "ab" * 32))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError) as error:
        download("toy", tmp_path)
    for part in (url, "ab" * 32, str(tmp_path / "set.tgz")):
        assert part in str(error.value)


def test_missing_page_is_an_error(server, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "do_GET", lambda self: self.send_error(404))
    with pytest.raises(DataError, match="404"):
        download("toy", tmp_path)


def send(status: int, headers: dict[str, str], content: bytes = b"", *, end: int | None = 0):
    """A server that answers so; the content is followed by zeros as long as anyone listens if `end` is None."""

    def answer(self: Handler) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        try:
            while end is None:
                self.wfile.write(bytes(1 << 16))
        except OSError:  # hung up
            pass

    return answer


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (send(200, {"Content-Length": "abc"}, CONTENT), "the server gives the length 'abc'"),
        (send(200, {"Content-Length": "-5"}, CONTENT), "the server gives the length '-5'"),
        (send(200, {"Content-Length": "5"}, CONTENT[:5]), "offers 5 bytes where the file has 3,072,000"),
        (send(200, {}, CONTENT, end=None), "the server does not end after 3,072,000 bytes"),
        (send(302, {"Location": "nonsense://[x"}), "could not be downloaded to"),
        (send(302, {"Location": "file:///etc/passwd"}), "could not be downloaded to"),
        (send(302, {"Location": "/data/set.tgz"}), "could not be downloaded to"),  # for ever
        (send(416, {}), "416"),
        (send(200, {"Content-Length": str(len(CONTENT))}, CONTENT[:-1] + b"?"), "it is another file or damaged"),
        (send(206, {"Content-Length": str(len(CONTENT))}, CONTENT[1:] + b"?"), "it is another file or damaged"),
    ],
)
def test_a_server_that_lies_is_an_error_and_its_file_is_not_taken(server, tmp_path, monkeypatch, answer, sentence):
    monkeypatch.setitem(ARCHIVES, "toy", replace(ARCHIVES["toy"], size=len(CONTENT)))
    monkeypatch.setattr(server, "do_GET", answer)
    with pytest.raises(DataError, match=re.escape(sentence)):
        download("toy", tmp_path)
    assert not (tmp_path / "set.tgz").exists()


@pytest.mark.parametrize("drips", [True, False])
def test_a_server_that_stalls_or_drips_is_an_error_and_what_came_is_kept(server, tmp_path, monkeypatch, drips):
    hung_up = threading.Event()

    def answer(self: Handler) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])
        self.wfile.flush()
        while not hung_up.wait(0.02):
            if drips:
                try:
                    self.wfile.write(b".")
                except OSError:
                    return

    monkeypatch.setattr(server, "do_GET", answer)
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with pytest.raises(DataError, match=r"bytes came in 0\.2 seconds" if drips else "timed out"):
        download("toy", tmp_path)
    hung_up.set()
    assert (tmp_path / "set.tgz.part").read_bytes()[:1000] == CONTENT[:1000]


def test_two_processes_do_not_fetch_one_file(server, tmp_path):
    def again(done: int, total: int | None) -> None:
        with pytest.raises(BusyError, match=r"is downloading .*set\.tgz now"):
            download("toy", tmp_path)

    assert download("toy", tmp_path, again).read_bytes() == CONTENT


def test_cache_that_cannot_be_made_is_an_error(server, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file")
    with pytest.raises(AlexNetError, match=r"Cannot make the folder .*/cache: File exists; set ALEXNET_HOME to"):
        download("toy", tmp_path / "cache")


def test_imagenet_says_where_to_register(tmp_path):
    with pytest.raises(ConfigError, match=r"image-net\.org.*ILSVRC2012_devkit_t12\.tar\.gz"):
        download("imagenet", tmp_path)


def test_unknown_name_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="Unknown download 'cifar'; did you mean 'cifar10'"):
        download("cifar", tmp_path)


def test_digests_are_whole():
    for archive in module.ARCHIVES.values():
        assert re.fullmatch(r"[0-9a-f]{64}", archive.sha256)
        assert archive.url.startswith("https://")
