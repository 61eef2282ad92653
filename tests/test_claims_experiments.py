"""What README says of the experiments, held to their records."""

from pathlib import Path

from printed import missing, percent

from alexnet.experiments.findings import Findings, findings
from alexnet.experiments.table import EXPERIMENTS, experiment

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECORDS = ROOT / "results" / "experiments"


def found(name: str) -> Findings:
    return findings(experiment(name), RECORDS)


def test_how_much_faster_relu_is_depends_on_the_start() -> None:
    said = []
    for speed in found("relu").speeds:
        if speed.level == 0.25 and speed.pair.title in ("published start, raw pixels", "fan-in start, scaled pixels"):
            assert speed.bound is not None and speed.bound.side == "exact"
            ratio = speed.bound.ratio
            said += [f"{ratio.mean:.1f} times"] + ([f"{ratio.low:.1f} to {ratio.high:.1f}"] if ratio.low else [])
    assert len(said) >= 3
    assert not missing(README, *said)


def test_what_three_seeds_say_of_ten_crops_and_of_response_normalisation() -> None:
    said = []
    for name in ("ten-crops", "lrn"):
        told = found(name).effects[0].estimate
        assert told.n == 3 and told.mean < 0 and told.low is not None and told.high is not None
        said += [f"{-told.mean:.1f} points"]
        low, high = abs(told.low), abs(told.high)
        said += [f"{high:.1f} to {low:.1f}"] if told.high < 0 else [f"{low:.1f} lower to {high:.1f} higher"]
    assert not missing(README, *said)


def test_the_printed_network_stands_still_where_the_one_that_was_run_learns() -> None:
    printed = found("printed")
    errors = {}
    for (arm, seed), run in printed.results.items():
        assert run["test"] is not None
        if seed == 0:
            errors[arm] = percent(run["test"]["top1_error"])
    assert not missing(README, errors["base"], errors["start=printed"], errors["model=paper"])


def test_the_number_of_experiments_on_record_is_that_of_the_records() -> None:
    begun = [row for row in EXPERIMENTS.values() if findings(row, RECORDS).results]
    runs = len(list(RECORDS.rglob("*.json")))
    assert not missing(README, f"{len(begun)} of the {len(EXPERIMENTS)} rows", f"{runs} records")
