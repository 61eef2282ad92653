import pytest

from alexnet.errors import ConfigError
from alexnet.serve.settings import Settings


@pytest.mark.parametrize(
    "name",
    ["https://look.example.org", "look.example.org/", "look.example.org:8443", "[::1]:80", "", "*.example.org", "a b"],
)
def test_a_name_that_no_host_header_gives_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--allow-host .* no port, no path and no https://"):
        Settings(hosts=("good", name))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Look.example.org", "look.example.org"),
        ("my_pc", "my_pc"),
        ("192.168.1.5", "192.168.1.5"),
        ("[2001:DB8::5]", "2001:db8::5"),
        ("2001:db8:0::5", "2001:db8::5"),
    ],
)
def test_names_and_addresses_are_as_browsers_send_them(name: str, known: str) -> None:
    assert known in Settings(hosts=(name,)).names and known in Settings(host=name).names


@pytest.mark.parametrize(
    ("host", "is_open"), [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True)]
)
def test_it_is_open_where_others_reach_it(host: str, is_open: bool) -> None:
    assert Settings(host=host).is_open is is_open
