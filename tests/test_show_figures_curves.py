from pathlib import Path

import pytest
from layouts import check_layout, texts
from test_show_curves import run

from alexnet.show.curves import curves
from alexnet.show.figures.curves import figure


@pytest.mark.parametrize(
    "names",
    [["one"], ["水仙 $x$ _a", "b" * 80], ["a", "b", "c", "d", "e", "f"]],
    ids=["one", "odd names", "six alike"],
)
@pytest.mark.parametrize("errors", [[0.5], [0.9, 0.4, 0.4], [None, None]], ids=["one epoch", "three", "no validation"])
def test_no_label_covers_another(names: list[str], errors: list[float | None], tmp_path: Path) -> None:
    paths = [run(tmp_path / name, errors) for name in names]
    check_layout(figure(curves(paths, panels=("error", "loss", "lr", "rate"))))


def test_the_caption_says_what_lines_are_and_when_they_do_not_compare(tmp_path: Path) -> None:
    one, other = run(tmp_path / "a", [0.5], data="a"), run(tmp_path / "b", [None], data="b")
    said = " ".join(texts(figure(curves([one, other]))))
    assert "These runs had different photographs, so their errors do not compare." in said
    assert "a, validation top-1 50.0 %" in said
    assert "There were no validation photographs." in " ".join(texts(figure(curves([other]))))
    assert "the learning rate drops" not in said


def test_of_a_long_name_the_number_is_kept(tmp_path: Path) -> None:
    paths = [run(tmp_path / name, [0.5]) for name in ("a" * 90, "b")]
    (label,) = (text for text in texts(figure(curves(paths))) if text.startswith("aaa") and "top-1" in text)
    assert label.endswith("… validation top-1 50.0 %")


def test_a_level_is_a_line_in_the_panel_of_errors_and_its_epochs_are_said(tmp_path: Path) -> None:
    paths = [run(tmp_path / "a", [0.5]), run(tmp_path / "b", [0.5])]
    drawn = figure(curves(paths, level=95.0))
    levels = [line.get_ydata()[0] for axes in drawn.axes for line in axes.lines if len(set(line.get_ydata())) == 1]
    assert levels.count(95.0) == 1
    errors = next(axes for axes in drawn.axes if any(95.0 in line.get_ydata() for line in axes.lines))
    assert errors.get_ylim()[1] > 95.0
    assert "95 %; the training error came down to it: a in epoch 1, b in epoch 1." in " ".join(texts(drawn))
    low = figure(curves(paths[:1], level=25.0))
    assert "25 %; the training error came down to it: not reached yet." in " ".join(texts(low))
    check_layout(low)


@pytest.mark.parametrize("lost", [(2,), (1, 2)], ids=["the last epoch", "every epoch"])
def test_losses_that_are_not_finite_are_not_drawn(tmp_path: Path, lost: tuple[int, ...]) -> None:
    path = run(tmp_path / "one", [0.5, 0.25])
    head, *rows = (path / "metrics.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    for epoch in lost:
        cells[epoch - 1][2] = cells[epoch - 1][4] = "nan"
    (path / "metrics.csv").write_text("\n".join([head, *(",".join(row) for row in cells)]) + "\n")
    for panels in (("error", "loss"), ("loss",)):
        drawn = figure(curves([path], panels=panels))
        check_layout(drawn)
        said = " ".join(texts(drawn))
        assert ("training 1" in said) is (1 not in lost)
        assert "Numbers are those of the last epoch that has them." in said
