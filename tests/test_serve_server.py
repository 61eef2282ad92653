import socket
import threading
import time
from http.client import HTTPException
from pathlib import Path

import pytest
from asking import Service, picture, serving
from making import tiny_model

from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.serve.server import address, listen
from alexnet.serve.settings import Settings
from alexnet.weights.model_dir import Model, save_model


@pytest.fixture(scope="module")
def model(colours: Store) -> Model:
    return tiny_model(colours)


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("server") / "model"
    save_model(model, path)
    return path


def load(service: Service, contents: list[bytes], clients: int, each: int) -> list[tuple[int, int, object]]:
    """What `clients` threads get that ask `each` times: picture, status (0: not accepted), answer."""
    found: list[tuple[int, int, object]] = []

    def client(first: int) -> None:
        for number in range(first, first + each):
            which = number % len(contents)
            try:
                answer = service.ask("/v1/predict?k=6", contents[which])
                found.append((which, answer.status, answer.json))
            except (OSError, HTTPException):
                found.append((which, 0, None))

    threads = [threading.Thread(target=client, args=(7 * number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_under_load_every_answer_is_right_and_none_is_lost(served: Service, model: Model) -> None:
    contents = [picture(seed, (70, 60), "JPEG") for seed in range(12)]
    right = Predictor(model, placement=place("cpu", "fp32")).predict(contents, 6)
    expected = [{each.key: each.probability for each in prediction.answers} for prediction in right]
    found = load(served, contents, clients=16, each=12)
    assert len(found) == 16 * 12 and {status for _, status, _ in found} == {200}
    for which, _, answer in found:
        for each in answer["predictions"]:  # type: ignore[index]
            assert each["probability"] == pytest.approx(expected[which][each["key"]], abs=1e-6)


def test_a_full_queue_refuses_and_loses_nothing(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path / "log", queue=0, batch=1) as service:
        found = load(service, [picture(0, (900, 900))], clients=12, each=4)
        statuses = [status for _, status, _ in found]
        assert len(statuses) == 48 and set(statuses) == {200, 503}
        assert all(answer["code"] == "busy" for _, status, answer in found if status == 503)  # type: ignore[index]
        assert service.ask("/v1/predict", picture()).status == 200
        assert service.stop() == 0


def test_sigterm_answers_what_was_accepted_and_exits_0(folder: Path, tmp_path: Path) -> None:
    content = picture(0, (700, 700))
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(content)
    with serving(folder, tmp_path / "log") as service:
        line = socket.create_connection(("127.0.0.1", service.port), timeout=20)
        line.sendall(head + content[:1000])
        found: list[tuple[int, int, object]] = []
        loading = threading.Thread(target=lambda: found.extend(load(service, [content], clients=8, each=30)))
        loading.start()
        time.sleep(0.5)
        assert service.process.poll() is None
        service.process.terminate()
        time.sleep(0.3)
        line.sendall(content[1000:])
        answer = b""
        while part := line.recv(65536):
            answer += part
        line.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert service.process.wait(40) == 0
        loading.join(60)
        statuses = [status for _, status, _ in found]
        assert set(statuses) <= {200, 0, 503} and 200 in statuses and 0 in statuses


def test_a_taken_port_says_what_is_there_and_the_next_free_one(served: Service) -> None:
    with pytest.raises(ConfigError, match=r"taken: alexnet serve with the network 'tiny', sha256:\w{8}, is there.*\d+"):
        listen(Settings(port=served.port))


def test_another_program_at_the_port_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Port {port} is taken: another program is there. Take another: --port"):
            listen(Settings(port=port))


def test_an_address_of_another_machine_is_a_sentence() -> None:
    with pytest.raises(AlexNetError, match=r"Cannot listen at 203\.0\.113\.1"):
        listen(Settings(host="203.0.113.1", port=0))
    with pytest.raises(AlexNetError, match="Cannot listen at no such host"):
        listen(Settings(host="no such host", port=0))


@pytest.mark.parametrize("host", ["203.0.113.1", "nosuch.invalid", "a" * 64 + ".invalid", ""])
def test_what_is_no_address_of_this_machine_is_looked_up_once_and_no_port_is_blamed(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, asked = socket.getaddrinfo, 0

    def counted(*words: object, **options: object) -> object:
        nonlocal asked
        asked += 1
        return look_up(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    with pytest.raises(AlexNetError, match=f"Cannot listen at {host or 'an empty address'}") as met:
        listen(Settings(host=host, port=8000))
    assert asked <= 1 and "--host" in str(met.value)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("0", "127.0.0.1"), ("::", "[::1]"), ("::0", "[::1]"), ("localhost", "localhost")],
)
def test_the_address_that_is_shown_is_one_that_is_answered(host: str, shown: str) -> None:
    settings = Settings(host=host, port=0)
    with listen(settings) as server:
        assert address(settings, server) == f"http://{shown}:{server.getsockname()[1]}"
    assert shown.strip("[]") in settings.names
