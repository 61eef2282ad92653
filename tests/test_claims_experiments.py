"""What README says of the experiments, held to their records."""

import json
from collections import Counter
from pathlib import Path
from statistics import mean, median

from printed import missing, percent, table

from alexnet.experiments.findings import Findings, findings
from alexnet.experiments.looks import halves
from alexnet.experiments.table import EXPERIMENTS, experiment
from alexnet.experiments.words import signed

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECORDS = ROOT / "results" / "experiments"


def found(name: str) -> Findings:
    return findings(experiment(name), RECORDS)


def test_how_much_faster_relu_is_depends_on_the_start() -> None:
    said = []
    for name, title, sign in (
        ("relu", "published start, raw pixels", 1),
        ("relu", "fan-in start, scaled pixels", 0),
        ("relu-local", "fan-in start, scaled pixels", -1),
    ):
        (speed,) = (each for each in found(name).speeds if each.level == 0.25 and each.pair.title == title)
        assert speed.bound is not None and speed.bound.side == "exact" and speed.sign == sign
        ratio = speed.bound.ratio
        said += [f"{ratio.mean:.1f} times", f"{ratio.low:.1f} to {ratio.high:.1f}"]
    assert not missing(README, *said)


def test_the_table_of_techniques_is_that_of_the_records() -> None:
    effects = {each.pair.title: each for row in EXPERIMENTS.values() for each in findings(row, RECORDS).effects}
    rows = table(README, "technique")
    assert len(rows) >= 9
    for title, paper, here in rows:
        effect = effects[title]
        told = effect.estimate
        assert told.n == 5 and told.low is not None and told.high is not None
        assert paper == ("–" if effect.pair.paper is None else signed(effect.pair.paper))
        assert here == f"{signed(told.mean)} ({signed(told.low)} to {signed(told.high)})"


def test_what_normalisation_does_on_cifar_is_that_of_the_records() -> None:
    (effect,) = found("lrn-cifar").effects
    told, paper = effect.estimate, effect.pair.paper
    assert told.n == 5 and told.low is not None and told.high is not None and paper is not None
    drawn = " to ".join(map(signed, effect.drawn or ()))
    interval = f"(95 % interval {signed(told.low)} to {signed(told.high)}; drawn over photographs too, {drawn})"
    assert f"{signed(told.mean)} points\n  {interval}, where the paper has {signed(paper)}." in README


def test_what_five_networks_do_together_is_that_of_the_records() -> None:
    effect = next(each for each in found("ensembles").effects if each.pair.networks == 5)
    told, paper = effect.estimate, effect.pair.paper
    assert told.n == 5 and told.low is not None and told.high is not None and paper is not None
    interval = f"(95 % interval over photographs, {signed(told.low)} to {signed(told.high)}), where the paper has"
    assert f"not one: {signed(told.mean)} points {interval} {signed(paper)}." in README


def test_how_many_networks_have_a_tower_for_colour_is_that_of_the_records() -> None:
    alone: dict[str, list[bool]] = {}
    for (arm, _), run in found("specialise").results.items():
        told = halves(run)
        assert told is not None
        alone.setdefault(arm, []).append(told.p <= 0.05)
    two, one = alone["base"], alone["groups=1"]
    said = f"in {sum(two)} of {len(two)} networks with two towers", f"in {sum(one)} of {len(one)} with one tower"
    (effect,) = found("specialise").effects
    told = effect.estimate
    assert told.low is not None and told.high is not None and not effect.sign
    apart = f"{signed(told.mean)} points", f"{signed(told.low)} to {signed(told.high)}"
    assert not missing(README.replace("\n  ", " "), *said, "one of twenty", *apart)


def test_the_printed_network_stands_still_where_the_one_that_was_run_learns() -> None:
    printed = found("printed")
    errors: dict[str, list[float]] = {}
    for (arm, _), run in printed.results.items():
        assert run["test"] is not None
        errors.setdefault(arm, []).append(run["test"]["top1_error"])
    assert len(errors["base"]) == len(errors["model=paper"]) == 5
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
    record = json.loads((ROOT / "results" / "speed" / "nvidia-h200.json").read_text(encoding="utf-8"))
    (loop,) = (row for result in record["results"] for row in result["rows"] if row["what"] == "training loop")
    hours = 90 * 1_281_167 / median(loop["samples"]) / 3600
    assert 2.5 < hours < 3
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert not missing(page, "less than three hours", "90 epochs of ImageNet")


def test_the_number_of_experiments_on_record_is_that_of_the_records() -> None:
    whole = Counter(len(row.seeds) for row in EXPERIMENTS.values() if findings(row, RECORDS).seeds == list(row.seeds))
    runs = len(list(RECORDS.rglob("*.json")))
    assert sum(whole.values()) == len(EXPERIMENTS)
    said = f"all {len(EXPERIMENTS)} rows", f"{whole[5]} with five seeds and {whole[3]} with three", f"{runs} records"
    assert not missing(README, *said)
