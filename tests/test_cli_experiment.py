from dataclasses import replace
from pathlib import Path

import pytest
from commanding import alexnet, refusal
from experimenting import ROW, looked, of_times, on_record

from alexnet.cli.experiment import _forest
from alexnet.data.store import Store
from alexnet.experiments import table
from alexnet.experiments.design import ALIKE, APART, EPOCHS, TOGETHER, Stop
from alexnet.experiments.findings import findings
from alexnet.experiments.table import EXPERIMENTS


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The experiment in miniature is the first in the table; records go to a folder of the test."""
    monkeypatch.setitem(table.EXPERIMENTS, "small", ROW)
    monkeypatch.chdir(tmp_path)


def test_the_table_has_every_experiment_with_its_claim(tmp_path: Path) -> None:
    result = alexnet("experiment", "--out", tmp_path)
    assert result.exit_code == 0
    first = {line.split()[0] for line in result.stdout.splitlines() if line}
    assert {"experiment", *EXPERIMENTS} <= first
    for row in EXPERIMENTS.values():
        assert f'{row.name}: "{row.claim.text}"' in " ".join(result.stdout.split())


@pytest.mark.usefixtures("small")
def test_runs_are_listed_made_and_counted(colours: Store, tmp_path: Path) -> None:
    places = ("--data", colours.path, "--device", "cpu", "--dtype", "fp32", "--threads", 1)
    planned = alexnet("experiment", "small", "--dry-run", *places)
    assert "4 runs to make: about 8 s." in planned.stdout and "Expected before any was made: Nothing." in planned.stdout
    result = alexnet("experiment", "small", "--seeds", "1", "--jobs", 2, *places)
    assert result.exit_code == 0, result.stderr
    assert "small: mirror=false, seed 1: epoch 2, training error " in result.stderr
    assert "small: base, seed 1: test error " in result.stderr
    planned = alexnet("experiment", "small", "--dry-run", *places)
    assert "2 runs to make" in planned.stdout and "test error" in planned.stdout
    (line,) = (line for line in alexnet("experiment").stdout.splitlines() if line.startswith("small "))
    assert line.endswith(" 2")


@pytest.mark.usefixtures("small")
def test_a_budget_is_kept_and_told(colours: Store) -> None:
    result = alexnet("experiment", "small", "--data", colours.path, "--budget", "0s", "--device", "cpu")
    assert result.exit_code == 0 and "The time is up; the same command goes on from here." in result.stderr


def test_looks_that_are_to_come_are_told(tmp_path: Path) -> None:
    planned = alexnet("experiment", "specialise", "--dry-run", "--seeds", "0,1", "--out", tmp_path).stdout
    assert "4 runs to make: about 1 h 53 min." in planned
    assert "Then 4 looks at their networks: about 8 s." in planned


@pytest.mark.usefixtures("small")
def test_a_look_is_made_and_told(colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = replace(ROW, name="apart", of="small", outcome=APART, seeds=(0,))
    monkeypatch.setitem(table.EXPERIMENTS, "apart", looks)
    given = ("apart", "--data", colours.path, "--device", "cpu", "--dtype", "fp32", "--threads", 1)
    result = alexnet("experiment", *given)
    assert result.exit_code == 0, result.stderr
    assert "small: base, seed 0: test error " in result.stderr
    assert "apart: mirror=false, seed 0: shares of colour " in result.stderr
    planned = alexnet("experiment", *given, "--dry-run").stdout
    assert "0 runs to make" in planned and "Then" not in planned and "shares of colour" in planned
    (line,) = (line for line in alexnet("experiment").stdout.splitlines() if line.startswith("apart "))
    assert line.endswith(" 4")


def test_a_trial_runs_on_built_in_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = alexnet("experiment", "lrn-cifar", "--quick", "--device", "cpu", "--dtype", "fp32", "--threads", 1)
    assert result.exit_code == 0, result.stderr
    assert "lrn-cifar: model=cifar_local, seed 1: test error" in result.stderr
    assert not list(tmp_path.iterdir()), "nothing is kept"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("lnr",), "Unknown experiment 'lnr'; did you mean 'lrn'"),
        (("lrn",), "lrn needs photographs: make a store with alexnet prepare"),
        (("lrn", "relu"), "These rows need different stores, alexnet prepare cifar10 cifar10-32.store"),
        (("imagenet20-64", "overlap"), "imagenet20-64 overlap needs photographs: make a store with alexnet prepare"),
        (("lrn", "--report", "page.md"), "--report writes of all experiments, so lrn has no meaning beside it"),
        (("lrn", "--seeds", "0..4"), "--seeds takes numbers and ranges like 0-4 or 0,2,5, not '0..4'."),
        (("lrn", "--budget", "soon"), "--budget takes a time like 90m or 2h, not 'soon'."),
    ],
)
def test_what_cannot_be_done_is_said(words: tuple[str, ...], sentence: str) -> None:
    code, told = refusal("experiment", *words)
    assert code == 2 and sentence in told


@pytest.mark.usefixtures("small")
def test_a_page_is_made_of_records_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra see")
    pairs = (replace(ROW.pairs[0], paper=6.0),)
    timed = replace(ROW, name="timed", outcome=EPOCHS, levels=(0.25,), stop=Stop(0.25, 8.0), pairs=pairs)
    monkeypatch.setattr(table, "EXPERIMENTS", {"small": ROW, "timed": timed})
    on_record(tmp_path / "records", ROW, {"base": [0.3, 0.31], "mirror=false": [0.35, 0.36]})
    of_times(tmp_path / "records", timed, {"mirror=false": [3.0, None]})
    result = alexnet("experiment", "--report", "page.md", "--out", "records")
    assert result.exit_code == 0, result.stderr
    assert "2 seeds, mirrors changes the top-1 error by −5.0 points" in Path("page.md").read_text()
    assert {path.name for path in Path("experiments").iterdir()} == {"forest.svg", "timed.svg"}


@pytest.mark.usefixtures("small")
def test_effects_that_are_no_errors_have_panels_of_their_own(tmp_path: Path) -> None:
    error = replace(ROW.pairs[0], present="base", absent="base", networks=1)
    near = replace(ROW, name="near", of="small", outcome=ALIKE, arms=(), pairs=(error,))
    joined = replace(near, name="joined", outcome=TOGETHER)
    looked(tmp_path, near, {"base": [{"counts": {"fc7": "66", "pixels": "11"}}]})
    looked(tmp_path, joined, {"base": [{"counts": {"1": "10"}}]})
    drawn = _forest([findings(row, tmp_path) for row in (near, joined)])
    assert [(panel.unit, [branch.label for branch in panel.branches]) for panel in drawn.panels] == [
        ("points of neighbours of the class; right of 0: more by fc7", ["near: mirrors"]),
        ("points of error; left of 0: lower with it", ["joined: mirrors"]),
    ]
    assert "Of ensembles the interval is over photographs." in drawn.caption


def test_a_page_is_of_all_experiments() -> None:
    assert (
        "--report writes of all experiments, so lrn has no meaning" in refusal("experiment", "lrn", "--report", "x")[1]
    )
