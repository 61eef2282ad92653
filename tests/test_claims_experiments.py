"""What README says of the experiments, held to their records."""

import json
from pathlib import Path
from statistics import mean, median

from printed import missing, percent, table

from alexnet.experiments.findings import Findings, findings
from alexnet.experiments.table import EXPERIMENTS, experiment
from alexnet.experiments.words import signed

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
            said += [f"{ratio.mean:.1f} times", f"{ratio.low:.1f} to {ratio.high:.1f}"]
    assert len(said) == 4
    assert not missing(README, *said)


def test_the_table_of_techniques_is_that_of_the_records() -> None:
    effects = {each.pair.title: each for row in EXPERIMENTS.values() for each in findings(row, RECORDS).effects}
    rows = table(README, "technique")
    assert len(rows) >= 9
    for title, paper, here in rows:
        effect = effects[title]
        told = effect.estimate
        assert told.n == 3 and told.low is not None and told.high is not None
        assert paper == ("–" if effect.pair.paper is None else signed(effect.pair.paper))
        assert here == f"{signed(told.mean)} ({signed(told.low)} to {signed(told.high)})"


def test_what_normalisation_does_on_cifar_is_that_of_the_records() -> None:
    (effect,) = found("lrn-cifar").effects
    told, paper = effect.estimate, effect.pair.paper
    assert told.n == 3 and told.low is not None and told.high is not None and paper is not None
    interval = f"(95 % interval {signed(told.low)} to {signed(told.high)}), where the paper has {signed(paper)}."
    assert f"{signed(told.mean)} points\n  {interval}" in README


def test_the_printed_network_stands_still_where_the_one_that_was_run_learns() -> None:
    printed = found("printed")
    errors: dict[str, list[float]] = {}
    for (arm, _), run in printed.results.items():
        assert run["test"] is not None
        errors.setdefault(arm, []).append(run["test"]["top1_error"])
    assert len(errors["base"]) == len(errors["model=paper"]) == 3
    assert not missing(
        README, *(percent(mean(errors[arm])) for arm in ("base", "start=printed", "model=paper")), "0.01", "0.03"
    )


def test_what_was_seen_on_a_gpu_is_what_is_recorded() -> None:
    told = (ROOT / "docs" / "decisions" / "0021-gpu-kernels.md").read_text(encoding="utf-8")
    seen = json.loads((ROOT / "results" / "gpu" / "nvidia-h100.json").read_text(encoding="utf-8"))
    networks = seen["agreement"]["networks"]
    gradients = {name: found["worst_gradient"][1] for name, found in networks.items()}
    small = max(error for name, error in gradients.items() if name.startswith("cifar"))
    assert len(networks) == 12
    said = [
        f"{max(found['logits'] for found in networks.values()):.1e}",
        f"{max(gradients.values()):.1e}",
        f"{small:.1e}",
    ]
    beside = seen["side_by_side"]
    for runs in (beside["one"], beside["twelve"], beside["twelve_mps"]):
        begin, end = max(ends[0] for ends in runs), min(ends[-1] for ends in runs)  # while all of them ran
        epochs = sum(begin < moment <= end for ends in runs for moment in ends)
        said.append(f"{beside['steps'] * epochs / (end - begin):.0f}")
    tests = seen["tests"]["kernels, model, training, evaluation"]
    said += [f"{tests['passed']:,}", str(tests["failed"]), str(seen["tests"]["gpu_kernels"]["passed"])]
    assert not missing(told, *said)


def test_days_of_imagenet_on_a_gpu_follow_from_the_recorded_rate() -> None:
    record = json.loads((ROOT / "results" / "speed" / "nvidia-h100.json").read_text(encoding="utf-8"))
    (loop,) = (row for result in record["results"] for row in result["rows"] if row["what"] == "training loop")
    hours = 90 * 1_281_167 / median(loop["samples"]) / 3600
    assert 5.25 < hours < 5.75
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert not missing(page, "five and a half hours", "90 epochs of ImageNet")


def test_the_number_of_experiments_on_record_is_that_of_the_records() -> None:
    three = [row for row in EXPERIMENTS.values() if len(findings(row, RECORDS).seeds) == 3]
    runs = len(list(RECORDS.rglob("*.json")))
    assert not missing(README, f"{len(three)} of the {len(EXPERIMENTS)} rows", f"{runs} records", "three")
