"""The figures of docs/parallel.md: tables as the model and the records have them."""

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import scaling
from printed import missing, percent
from scaling import Kind, alone, data_parallel, expected, filled, hybrid, measured_table, ring, speed_ups, two_towers

from alexnet.model.account import account
from alexnet.model.crossings import crossings
from alexnet.model.variants import PAPER, variant

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "parallel.md").read_text(encoding="utf-8")
RECORDS = {path.stem: path.read_text(encoding="utf-8") for path in scaling.RESULTS.glob("*.json")}
SLOW = Kind(rate=100, bandwidth=1e6, latency=0.0)


def test_every_table_is_as_the_model_and_the_records_have_it() -> None:
    assert filled(PAGE) == PAGE, "python bench/scaling.py docs/parallel.md"
    assert set(RECORDS) <= {block[2] for block in scaling.BLOCK.finditer(PAGE)}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_says_on_what_it_was_measured(name: str) -> None:
    for run in json.loads(RECORDS[name])["runs"]:
        assert re.fullmatch("[0-9a-f]{40}", run["machine"]["commit"])
        assert not run["machine"]["changed"], "measured on sources that are in no commit"
        assert run["command"].startswith("python bench/wire.py")
    assert not re.search(r"[\" =:]/\w+/", RECORDS[name]), "no paths of a machine"


def test_the_numbers_that_are_sent_are_the_networks() -> None:
    assert account(PAPER).total("parameters") == scaling.CONVOLUTIONS + scaling.CONNECTED
    assert not missing(PAGE, f"{2 * scaling.EXCHANGED / 1e3:.1f} KB an image")
    assert not missing(PAGE, f"{2 * 2 * scaling.INTO_CONNECTED / 1e3:.1f} KB")


def test_the_numbers_that_travel_meanwhile_are_those_of_the_full_layers() -> None:
    sizes = {layer.name: layer.parameters for layer in account(PAPER).rows if layer.parameters}
    fc6, fc78 = sizes["fc6"], sizes["fc7"] + sizes["fc8"]
    rest = sum(sizes.values()) - fc6 - fc78
    (lines,) = (block for block in PAGE.split("\n\n") if "gradients of fc8 and fc7 set off" in block)
    of_all = percent((fc6 + fc78) / (fc6 + fc78 + rest), 0)
    told = [f"{fc78 / 1e6:.0f} million", f"{fc6 / 1e6:.0f} million", of_all, f"{rest / 1e6:.0f} million"]
    assert re.findall(r"\d+ (?:million|%)", lines) == told


def test_the_model_of_a_step_is_arithmetic() -> None:
    bytes_ = 2 * account(PAPER).total("parameters")
    assert data_parallel(200, 1, SLOW, overlap=False) == hybrid(200, 1, SLOW) == alone(200, SLOW) == 2.0
    assert data_parallel(200, 2, SLOW, overlap=False) == pytest.approx(1 + bytes_ / 1e6)
    assert data_parallel(200, 4, SLOW, overlap=False) == pytest.approx(0.5 + 1.5 * bytes_ / 1e6)
    # of one second of arithmetic, two thirds of the convolutions' share hide as much of the transfer of fc6 to fc8
    gain = data_parallel(200, 2, SLOW, overlap=False) - data_parallel(200, 2, SLOW, overlap=True)
    assert 0.5 < gain < 2 / 3
    assert two_towers(200, SLOW) == pytest.approx(1 + 200 * 0.152376)
    # all else beside 8 replicas is nothing at a batch of nothing
    assert two_towers(0, SLOW, 8) == pytest.approx(ring(account(PAPER).total("parameters") / 2, 8, SLOW))
    # with every weight in one place: the gradients of the convolutions, and what enters fc6 to fc8, there and back
    sent = 2 * 2_334_080 * 0.5 * 2 + 2 * 200 * 17_408 * 2 * 0.5
    assert hybrid(200, 2, SLOW) == pytest.approx(1 + sent / 1e6)


def run_of(**seconds: list[float]) -> dict[str, Any]:
    cases = {name.replace("_", "-"): {"title": name, "seconds": each, "formula": 0} for name, each in seconds.items()}
    return {"batch": 100, "machine": {"dtype": "fp32"}, "cases": cases}


def test_speed_ups_are_ratios_of_medians_of_one_run() -> None:
    run = run_of(one=[9.0, 2.0, 3.0], two=[1.5, 9.0, 1.0])
    assert speed_ups(run) == {"one": 1.0, "two": 2.0}
    assert speed_ups(run_of(two=[1.0])) == {}
    table = measured_table({"runs": [run, run_of(parts=[1.0])]})
    assert table.splitlines()[2:] == [
        "| 100 | one | 3.00 | 2.00 … 9.00 | 1.00 |",
        "| 100 | two | 1.50 | 1.00 … 9.00 | 2.00 |",
    ]


def test_what_is_expected_of_a_wire_follows_from_its_rate_and_from_the_numbers_type() -> None:
    wide, narrow = (expected("1gbit", 100, 5.0, size) for size in (4, 2))
    assert 1 < wide[0] < narrow[0] < narrow[1] <= 2
    assert expected("100mbit", 100, 5.0, 4)[0] < wide[0]
    assert len(expected("100mbit-towers", 100, 5.0, 4)) == 1


def test_the_run_in_two_towers_is_told_as_recorded() -> None:
    record = json.loads((ROOT / "results" / "flowers17-towers-seed0.json").read_text(encoding="utf-8"))
    spec = variant("original2012", input_size=64, classes=17)
    numbers = sum(crossing.both for crossing in crossings(spec).values())
    steps = record["epochs"] * record["photographs"]["train"] // record["recipe"]["batch_size"]
    sent = 4 * numbers * record["recipe"]["batch_size"]  # in fp32
    assert f"; {sent / 1e6:.2f} MB a step and process" in record["processes"]
    assert not missing(
        PAGE,
        f"{percent(record['centre_crop']['top1_error'])} top-1 error on the {record['centre_crop']['images']} test",
        percent(record["linear_top1_error"]),
        f"{sent / 1e6:.2f} MB in each of {steps:,} steps",
        f"{sent * steps / 1e9:.2f} GB in all",
    )
    colours = record["colours"]
    first, second = colours["kernels"]["shares"]
    assert not missing(
        PAGE,
        f"{colours['moved'][0]} of the first tower's 48 and {colours['moved'][1]} of the second's",
        f"{first:.3f} in the mean of the first tower",
        f"{second:.3f} in the second's",
        percent(colours["kernels"]["p"], 0),
    )
    assert colours["kernels"]["p"] > 0.05, "not seen here"


CASES = [
    (run, name, case)
    for text in RECORDS.values()
    for run in json.loads(text)["runs"]
    for name, case in run["cases"].items()
]


def test_bytes_are_those_of_the_formula() -> None:
    parameters, image = account(PAPER).total("parameters"), 154_000
    seen = set()
    for run, name, case in CASES:
        size = {"fp32": 4, "bf16": 2}[run["machine"]["dtype"]]
        if "towers" in name:
            assert case["sent"] == case["formula"] == scaling.EXCHANGED * size * run["batch"]
            assert case["sent"] / run["batch"] <= image * size / 2
        elif case.get("sent"):
            assert case["sent"] == case["formula"]
            assert 1 <= case["sent"] / (2 * 0.5 * size * parameters) < 1.01
        seen.add((name, size))
    assert {("two", 2), ("1gbit", 2), ("1gbit", 4), ("towers", 2)} <= seen


def test_two_machines_reach_what_is_asked_of_them() -> None:
    found = [speed_ups(run)[name] for run, name, _ in CASES if name == "1gbit" and run["batch"] == 512]
    assert found and min(found) >= 1.5


def test_shares_of_the_update_and_parts_of_a_batch_are_told_as_recorded() -> None:
    (run,) = (run for run, name, _ in CASES if name == "1gbit-ddp")
    seconds = {name: median(case["seconds"]) for name, case in run["cases"].items()}
    times = seconds["1gbit"] / seconds["1gbit-ddp"]
    both = f"{seconds['1gbit-ddp']:.2f} s a step against {seconds['1gbit']:.2f} s"
    parts = seconds["parts"] / seconds["one-2"]
    assert parts <= 1.15
    assert not missing(PAGE, both, f"{times:.2f} times", f"{parts:.2f} times", f"{seconds['parts']:.2f} s against")
