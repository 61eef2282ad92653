import json
from pathlib import Path

import pytest
from commanding import alexnet, refusal

from alexnet.errors import ConfigError, WeightsError
from alexnet.show.curves import Curve, curves
from alexnet.training.events import EpochEnd, Started
from alexnet.training.log import RunLog
from alexnet.training.run import Run
from alexnet.training.state import TrainingState


def run(path: Path, errors: list[float | None], rates: list[float] | None = None, data: str = "a") -> Path:
    """The directory of a run as training writes it."""
    path.mkdir()
    Run(path).write("run.json", {"fingerprint": data})
    log = RunLog(Run(path), TrainingState())
    log.write(Started(str(path), "paper", 1, 100, 10, len(errors), 4, 0, 0, "cpu", "fp32", 1, "plain", "kept"))
    rates = rates or [0.01] * len(errors)
    for epoch, (error, rate) in enumerate(zip(errors, rates, strict=True), 1):
        loss = None if error is None else 2 * error
        log.write(EpochEnd(epoch, rate, 1.0 / epoch, 0.9, loss, error, error, 50.0, 0.0, 1800.0, False))
    log.close()
    return path


def test_numbers_are_those_of_the_runs(tmp_path: Path) -> None:
    found = curves([run(tmp_path / "one", [0.5, 0.25])])
    assert found.runs[0].columns["val_top1_error"] == (0.5, 0.25)
    assert found.runs[0].columns["train_loss"] == (1.0, 0.5)
    told = json.loads(alexnet("show", "curves", tmp_path / "one", "--json").stdout)
    assert told == json.loads(json.dumps(found.to_json()))


def test_axes_are_epochs_photographs_and_hours(tmp_path: Path) -> None:
    (curve,) = curves([run(tmp_path / "one", [0.5, 0.25])]).runs
    assert curve.along("epoch") == (1, 2)
    assert curve.along("images") == (100, 200)
    assert curve.along("hours") == (0.5, 1.0)


@pytest.mark.parametrize(
    ("rates", "drops"),
    [
        ((0.01, 0.01, 0.001, 0.001, 0.0001), (2, 4)),
        ((0.01, 0.001, 0.001), (1,)),
        ((0.01, 0.009, 0.005, 0.001, 0.0), ()),  # a cosine
        ((0.001, 0.005, 0.01, 0.01), ()),  # a warm-up
    ],
)
def test_a_drop_is_a_step_of_the_schedule(rates: tuple[float, ...], drops: tuple[int, ...]) -> None:
    curve = Curve("", "", 1, tuple(range(1, len(rates) + 1)), {"lr": rates})
    assert curve.drops == drops


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    paths = [run(tmp_path / "a" / "run", [0.5]), run(tmp_path / "b" / "run", [0.5])]
    assert [each.name for each in curves(paths).runs] == [str(path) for path in paths]


def test_a_level_of_error_is_reached_in_the_first_epoch_at_or_below_it(tmp_path: Path) -> None:
    slow, fast = run(tmp_path / "slow", [0.5] * 3), run(tmp_path / "fast", [0.5] * 3)
    table = (fast / "metrics.csv").read_text().replace("0.9,", "0.25,")
    (fast / "metrics.csv").write_text(table)
    told = json.loads(alexnet("show", "curves", slow, fast, "--level", "25", "--json").stdout)
    assert (told["level"], told["reached"]) == (25.0, [None, 1])
    falling = Curve("", "", 1, (1, 2, 3, 4), {"train_error": (0.9, None, 0.25, 0.1)})
    assert [falling.reached(percent) for percent in (95, 25, 24.9, 5)] == [1, 3, 4, None]
    assert "level" not in curves([fast]).to_json()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--level", "0"), "between 0 and 100 per cent; 0 is not"),
        (("--level", "25", "--what", "loss"), "put error into --what"),
    ],
)
def test_a_level_that_cannot_be_drawn_is_refused(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    assert said in refusal("show", "curves", run(tmp_path / "one", [0.5]), *words)[1]


def test_what_is_no_run_or_has_no_epoch_yet_is_refused(tmp_path: Path) -> None:
    assert "is not a run directory: it has no metrics.csv" in refusal("show", "curves", tmp_path)[1]
    with pytest.raises(WeightsError, match="has not finished an epoch yet"):
        curves([run(tmp_path / "new", [])])
    with pytest.raises(ConfigError, match="Unknown axis 'hour'; did you mean 'hours'"):
        curves([tmp_path], axis="hour")
    with pytest.raises(ConfigError, match="Unknown curve 'errors'; did you mean 'error'"):
        curves([tmp_path], panels=["errors"])
    with pytest.raises(ConfigError, match="At most 6 runs"):
        curves([tmp_path] * 7)


@pytest.mark.parametrize("name", ["metrics.csv", "log.jsonl", "run.json"])
def test_damaged_logs_are_a_sentence(tmp_path: Path, name: str) -> None:
    path = run(tmp_path / "one", [0.5])
    whole = (path / name).read_bytes()
    for damaged in (b"\xff" + whole, whole.replace(b"}", b"").replace(b"0.5", b"0.x")):
        (path / name).write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"The logs in .*one are damaged: |metrics.csv is damaged"):
            curves([path])
    (path / name).unlink()
    (path / name).symlink_to("/dev/zero")
    with pytest.raises(WeightsError, match=r"The logs in .*one are damaged: it is no regular file"):
        curves([path])


def test_a_disk_that_cannot_be_read_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run(tmp_path / "one", [0.5])

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("alexnet.reading.read_file", fail)
    with pytest.raises(WeightsError, match=r"The logs in .*one cannot be read \(Input/output error\); mend that"):
        curves([path])


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_a_number_that_is_not_finite_is_none(tmp_path: Path, text: str) -> None:
    path = run(tmp_path / "one", [0.5, 0.25])
    table = (path / "metrics.csv").read_text()
    (path / "metrics.csv").write_text(table.replace("2,0.01,0.5,", f"2,{text},{text},"))
    (curve,) = curves([path]).runs
    assert (curve.columns["lr"], curve.columns["train_loss"]) == ((0.01, None), (1.0, None)) and curve.drops == ()
    told = alexnet("show", "curves", path, "--json")
    assert json.loads(told.stdout, parse_constant=pytest.fail)["runs"][0]["columns"]["train_loss"] == [1.0, None]
