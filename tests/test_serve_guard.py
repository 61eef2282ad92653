import re
import time

import pytest
from asking import Service, picture

from alexnet.serve.guard import HEADERS


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::", "169.254.1.1"]
)
def test_a_host_that_is_not_ours_is_refused(served: Service, host: str) -> None:
    answer = served.ask("/v1/model", headers={"Host": host})
    assert answer.status == 403 and answer.json["code"] == "bad_host"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "LOCALHOST:8000", "[::1]:80"])
def test_a_host_that_is_this_machine_is_answered(served: Service, host: str) -> None:
    assert served.ask("/v1/model", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "file://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_a_page_of_another_site_may_not_ask(served: Service, headers: dict[str, str]) -> None:
    answer = served.ask("/v1/predict", picture(), headers)
    assert answer.status == 403 and answer.json["code"] == "cross_site"


def test_our_own_page_may_ask(served: Service) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Origin": served.address}
    assert served.ask("/v1/predict", picture(), own).status == 200
    proxied = {"Host": "localhost", "Origin": "https://localhost:8443"}
    assert served.ask("/v1/predict", picture(), proxied).status == 200


def test_every_answer_carries_the_headers(served: Service) -> None:
    for answer in (served.ask("/v1/model"), served.ask("/no"), served.ask("/v1/predict", b"x"), served.ask("/metrics")):
        found = {name.lower(): value for name, value in answer.headers.items()}
        assert {name.lower(): value for name, value in HEADERS.items()}.items() <= found.items()
        assert "server" not in found and "access-control-allow-origin" not in found
        assert found["cache-control"] == "no-store"


def test_other_paths_and_methods_are_problems(served: Service) -> None:
    missing = served.ask("/v1/../../etc/passwd")
    assert missing.status == 404 and missing.json["code"] == "not_found"
    assert served.ask("/v1/predict/", picture()).status == 404
    for method, path, allowed in (("GET", "/v1/predict", "POST"), ("DELETE", "/v1/model", "GET, HEAD")):
        answer = served.ask(path, method=method)
        assert answer.status == 405 and answer.json["code"] == "method_not_allowed"
        assert sorted(answer.headers["allow"].split(", ")) == sorted(allowed.split(", "))


def test_problems_are_rfc_9457(served: Service) -> None:
    answer = served.ask("/v1/predict", b"")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "The file is empty.",
        "code": "not_an_image",
    } | {"title": answer.json["title"]}  # Python 3.13 has another phrase


def test_the_log_has_a_line_a_request_and_no_query(served: Service) -> None:
    before = len(served.log.read_text().splitlines())  # decoders write there too, about damaged files
    served.ask("/v1/predict?k=secret%0Ainjected", picture())
    served.ask("/a/private/path")
    for _ in range(100):  # the line follows the answer
        lines = served.log.read_text().splitlines()[before:]
        if len(lines) == 2:
            break
        time.sleep(0.05)
    assert len(lines) == 2
    assert all(re.fullmatch(r"\w+ \S+ \d+( \w+)? \d+ ms", line) for line in lines), lines
    assert not any("secret" in line or "private" in line for line in lines)
