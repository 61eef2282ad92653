import builtins
from pathlib import Path

import pytest
from commanding import alexnet, python, refusal
from making import tiny_model

from alexnet.cli import serve
from alexnet.data.store import Store
from alexnet.weights.model_dir import save_model


def test_the_first_line_is_the_address_and_sigterm_ends_it_with_0(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    code = "import sys; from alexnet.cli.main import main; sys.argv = ['alexnet', *sys.argv[1:]]; main()"
    process = python(code, "serve", tmp_path / "model", "--port", "0", "--threads", "1", "--host", "0.0.0.0")
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("http://127.0.0.1:") and first.endswith("  (Ctrl-C stops)\n"), process.communicate()
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors.startswith("warning: every machine that reaches 0.0.0.0 can use this service; browsers on others")


def test_without_its_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "uvicorn" else builtins.object())
    code, text = refusal("serve", "x")
    assert code == 2 and "The service needs uvicorn: pip install 'alexnet[serve]'" in text


def test_a_name_that_no_request_can_give_is_refused() -> None:
    code, text = refusal("serve", "x", "--allow-host", "https://look.example.org")
    assert code == 2 and "no name that a request can give: 'https://look.example.org'" in text


def test_no_model_is_a_sentence() -> None:
    code, text = refusal("serve", "nowhere", "--port", "0")
    assert code == 3 and "There is no model at nowhere" in text


@pytest.mark.parametrize(("text", "number"), [("20MB", 20_000_000), ("1.5k", 1500), ("7", 7), ("2g", 2 * 10**9)])
def test_amounts(text: str, number: int) -> None:
    assert serve.amount(None, None, text) == number  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "M", "-3", "0", "nan", "inf", "ten"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    result = alexnet("serve", "x", "--max-bytes", text)
    assert result.exit_code == 2 and "is not an amount such as 20M" in result.stderr
