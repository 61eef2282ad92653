import json
from pathlib import Path

import pytest
from commanding import alexnet, refusal
from layouts import check_layout
from making import tiny_model
from PIL import Image
from test_show_curves import run
from test_show_goldens import numbers

from alexnet.cli.pictures import draw, draw_curves
from alexnet.cli.session import Session
from alexnet.data.store import Store
from alexnet.errors import ConfigError
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


def test_a_picture_is_as_wide_and_dark_as_is_asked_for(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    out = tmp_path / "f.png"
    for words, width, corner in (((), 550, 255), (("--width", 3, "--dark"), 290, 23)):
        assert alexnet("show", "filters", tmp_path / "model", "--dpi", 100, *words, "-o", out).exit_code == 0
        with Image.open(out) as picture:
            assert (picture.width, picture.getpixel((2, 2))[:3]) == (width, (corner,) * 3)
    drawing = tmp_path / "a.svg"
    assert alexnet("show", "architecture", "--dark", "-o", drawing).exit_code == 0
    assert 'height="100%" fill="#171717"' in drawing.read_text()


def test_a_width_that_nothing_can_be_laid_out_by_is_refused(tmp_path: Path) -> None:
    assert "The width of an architecture follows" in refusal("show", "architecture", "--width", 5)[1]
    with pytest.raises(ConfigError, match="The width of confusion follows from what it shows"):
        draw("confusion", None, 5.0)


@pytest.mark.parametrize("name", ["curves", "errors", "filters", "maps", "predictions"])
@pytest.mark.parametrize("width", [3.0, 5.0, 12.0])
def test_pages_of_any_width_are_laid_out(name: str, width: float) -> None:
    drawn = draw(name, numbers()[name], width)
    check_layout(drawn)
    assert drawn.get_size_inches()[0] <= width + 1e-6


def test_a_picture_that_cannot_be_written_is_said_with_the_option(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "filters.png"
    said = f"alexnet: error: Cannot write {out}: Not a directory; give another --out."
    assert refusal("show", "filters", tmp_path / "model", "-o", out) == (1, said)
    out = tmp_path / "gone" / "filters.pdf"
    said = f"alexnet: error: Cannot write {out}: No such file or directory; give another --out."
    assert refusal("show", "filters", tmp_path / "model", "-o", out) == (1, said)
