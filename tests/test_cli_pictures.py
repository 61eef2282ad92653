import json
from pathlib import Path

import pytest
from commanding import alexnet
from making import tiny_model
from test_show_curves import run

from alexnet.cli.pictures import draw_curves
from alexnet.cli.session import Session
from alexnet.data.store import Store
from alexnet.weights.model_dir import save_model


def test_a_run_gets_its_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(tmp_path / "run", [0.5, 0.4])
    draw_curves(Session(), made)
    assert capsys.readouterr().out == f"Curves   {made / 'curves.png'}\n"
    assert (made / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said_and_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_curves(Session(), run(tmp_path / "run", []))
    assert "was not drawn: " in capsys.readouterr().err


def test_without_matplotlib_the_extra_is_named_and_all_else_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alexnet.cli.pictures.can_draw", lambda: False)
    made = run(tmp_path / "run", [0.5])
    draw_curves(Session(), made)
    assert "pip install 'alexnet[see]'" in capsys.readouterr().err
    assert not (made / "curves.png").exists()


def test_evaluate_draws_the_confusion_matrix_beside_its_csv(colours: Store, tmp_path: Path, one_thread: None) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    words = (
        "evaluate",
        tmp_path / "model",
        colours.path,
        "--confusion",
        tmp_path / "c.csv",
        "--json",
        "--dtype",
        "fp32",
    )
    assert json.loads(alexnet(*words).stdout)["images"] == 12
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
