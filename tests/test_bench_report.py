"""Ratios and tables, from records made up for the test."""

import json
from pathlib import Path
from typing import Any

import pytest
import report
from entrants import Ratio
from report import NOT_YET, days, filled, markdown, ratio, ratio_table, share_of_ceiling, table

from alexnet.experiments.bench.timing import Measurement

ASKED = Ratio("ours against them", "step", "ours bf16", ("stock tuned bf16", "keras bf16"))


def row(title: str, rate: float, **facts: Any) -> dict[str, Any]:
    return {
        "title": title,
        "unit": "images/s",
        "dtype": "bf16",
        "median": rate,
        "spread": 0.04,
        "samples": [rate],
        "peak_memory": 1_250_000_000,
        "facts": {"versions": {"torch": "2.14.1"}, **facts},
    }


def record(**step: dict[str, Any]) -> dict[str, Any]:
    machine = {"processor": "P", "cores": 2, "threads": 2, "device": "cpu", "dtype": "bf16", "kernels": "fused, k"}
    machine |= {"memory": "kept", "waiting": "W", "alexnet": "0.1.0", "commit": "0123456789abcdef", "changed": False}
    machine |= {"torch": "2.13.0", "numpy": "2", "pillow": "13", "simplejpeg": None, "python": "3.11"}
    sections = {"step": {name.replace("_", " "): each for name, each in step.items()}}
    settings = {"batch_size": 128, "threads": 2, "seconds": 3.0, "rounds": 5}
    return {"machine": machine, "settings": settings, "command": "python bench/compare.py", "sections": sections}


OURS = row("this project", 300.0, parameters=60_965_224, macs=724_406_816, training_flops=4 * 10**9)


def test_a_ratio_is_against_the_fastest() -> None:
    found = record(ours_bf16=OURS, stock_tuned_bf16=row("stock", 20.0), keras_bf16=row("Keras", 80.0))
    assert ratio(found, ASKED) == (300 / 80, "Keras")


def test_a_ratio_without_one_side_says_why() -> None:
    skipped = {"title": "stock", "skipped": "no bf16 instructions here"}
    assert ratio(record(ours_bf16=OURS, stock_tuned_bf16=skipped), ASKED) == (
        None,
        "no bf16 instructions here; not asked for",
    )
    assert ratio(record(ours_bf16=skipped), ASKED) == (None, "no bf16 instructions here")
    assert ratio(record(keras_bf16=row("Keras", 80.0)), ASKED) == (None, "not asked for")


def test_the_share_is_of_the_highest_ceiling() -> None:
    found = record(ours_bf16=OURS, ceiling_bf16=row("product", 2.0e12))
    assert share_of_ceiling(found, "bf16") == (pytest.approx(0.6), "the fastest matrix product")
    assert share_of_ceiling(found, "fp32") is None
    found["sections"]["step"]["loop bf16"] = row("loop", 2.4e12)
    assert share_of_ceiling(found, "bf16") == (pytest.approx(0.5), "multiply-adds in registers")
    found["sections"]["step"]["loop bf16"] = row("loop", 1.9e12)
    assert share_of_ceiling(found, "bf16") == (pytest.approx(0.6), "the fastest matrix product")


def test_the_share_counts_the_products_that_are_made() -> None:
    tiled = row("this project", 300.0, training_flops=4 * 10**9, multiplied_flops=3 * 10**9)
    found = record(ours_bf16=tiled, ceiling_bf16=row("product", 1.0e12))
    assert share_of_ceiling(found, "bf16") == (pytest.approx(0.9), "the fastest matrix product")


def test_what_is_slower_than_the_step_is_no_ceiling() -> None:
    lines = ratio_table(record(ours_bf16=OURS, ceiling_bf16=row("product", 1.0e12))).splitlines()
    said = "faster than the fastest matrix product, which is no ceiling then"
    assert lines[-1] == f"| training step, bf16: share of its ceiling | – | {said} |"


def test_the_table_of_ratios_has_reasons() -> None:
    found = record(ours_bf16=OURS, stock_tuned_bf16=row("stock", 20.0), ceiling_bf16=row("product", 2.0e12))
    found["sections"]["step"]["keras bf16"] = {"title": "Keras", "skipped": "no package"}
    found["train"] = loop(290.0, 0.97)
    lines = ratio_table(found).splitlines()
    assert "| training step, bf16, against stock PyTorch | 15.00× | stock |" in lines
    assert "| training step, bf16, against Keras | – | not run: no package |" in lines
    assert any("| 60 % | the fastest matrix product |" in line for line in lines)
    assert any("| 0.97× |" in line for line in lines)
    assert len(lines) == 2 + 2 + 2, "those that nobody asked for are left out"


def loop(rate: float, ratio: float) -> dict[str, Any]:
    samples = Measurement(
        "training loop", "images/s", [rate], 128, "bf16", 10**9, {"of_bare_step": ratio, "waiting": 0.004}
    )
    bare = Measurement("bare step", "images/s", [rate / ratio], 128, "bf16")
    return {"command": "alexnet bench train", "loop": samples.to_json(), "bare": bare.to_json()}


def test_days_for_imagenet_follow_from_the_rate() -> None:
    # the original: 90 epochs in five to six days, so 222 to 267 images a second
    assert 5 < days(222) < 6.1 and 5 <= days(266) < 6
    assert days(90 * 1_281_167 / 86400) == pytest.approx(1)
    found = record()
    found["train"] = loop(275.0, 0.97)
    assert f"| {days(275.0):.1f} days |" in report.loop_table(found)
    assert "| 5 to 6 days |" in report.loop_table(found)


def test_all_tables_of_a_comparison() -> None:
    skipped = {"title": "Keras", "skipped": "no package"}
    found = record(ours_bf16=OURS, stock_tuned_bf16=row("stock", 20.0), keras_bf16=skipped)
    found["train"] = loop(290.0, 0.97)
    text = markdown(found)
    assert "- P, 2 cores, 2 threads; cpu, bf16" in text
    assert "commit 0123456789ab" in text
    assert "| this project | 300 images/s | 4 % | 61 M | 724 M | 1.2 GB |" in text
    assert "| Keras | – |  |  |  | not run: no package |" in text
    assert "    python bench/compare.py" in text


def test_measurements_of_the_command_become_tables() -> None:
    rows = [Measurement("training step", "images/s", [30.0], count, "fp32", 10**9).to_json() for count in (1, 8)]
    results = [{"bench": "step", "rows": [each]} for each in rows]
    results.append({"bench": "step", "batch_size": 512, "rows": [], "error": "ended by signal 9"})
    lines = report.TABLES["bench-step"]({"results": results}).splitlines()
    assert lines[2] == "| training step | 1 | fp32 | 30.0 images/s | 0 % | 1.0 GB |  |"
    assert lines[4] == "|  | 512 |  | – |  |  | ended by signal 9 |"
    results[0]["rows"].append(Measurement("matrix product", "FLOP/s", [2e12]).to_json())
    lines = report.TABLES["batches"]({"results": results}).splitlines()
    assert lines[2:4] == [f"| training step | {count} | fp32 | 30.0 images/s | 0 % | 1.0 GB |" for count in (1, 8)]
    assert lines[4] == "| step | 512 |  | – |  | ended by signal 9 |"


def test_convolutions_have_a_column_for_each_layer() -> None:
    found = {
        "layers": [{"name": "conv1"}, {"name": "conv2"}],
        "rows": [
            {"layer": "conv1", "pass": "weight", "how": "shifts", "rates": [1e9, 2e9, 4e12]},
            {"layer": "conv2", "pass": "weight", "how": "shifts", "rates": [3e12]},
            {"layer": "conv2", "pass": "weight", "how": "by towers", "rates": [5e9]},
        ],
    }
    assert report.TABLES["convolutions"](found).splitlines() == [
        "| pass | formulation | conv1 | conv2 |",
        "| --- | --- | ---: | ---: |",
        "| weight | shifts | 2 | 3,000 |",
        "| weight | by towers | – | 5 |",
    ]


def test_full_connections_have_a_line_for_each_route() -> None:
    rates = {"fc6, forward, torch": 2e9, "fc6, weight, torch, new memory": 5e8, "fc7, forward, torch": 3e12}
    rows = [Measurement(what, "FLOP/s", [rate], 32, "fp32").to_json() for what, rate in rates.items()]
    assert report.TABLES["linear"]({"results": [{"bench": "linear", "rows": rows}]}).splitlines() == [
        "| batch | product | route | fc6 | fc7 |",
        "| ---: | --- | --- | ---: | ---: |",
        "| 32 | forward | torch | 2 | 3,000 |",
        "| 32 | weight | torch, new memory | 0 | – |",
    ]


def test_empty_columns_are_left_out() -> None:
    assert table(["a", ">b", "c"], [["1", "", "x"], ["2", "", ""]]).splitlines() == [
        "| a | c |",
        "| --- | --- |",
        "| 1 | x |",
        "| 2 |  |",
    ]


def test_a_document_gets_the_tables_that_it_asks_for(tmp_path: Path) -> None:
    found = record(ours_bf16=OURS, stock_tuned_bf16=row("stock", 20.0))
    (tmp_path / "here.json").write_text(json.dumps(found))
    asked = ("<!-- speed: here ratios -->\n\nold\n\n<!-- end -->", "<!-- speed: there loop -->\n<!-- end -->")
    text = f"Before\n\n{asked[0]}\n\nBetween\n\n{asked[1]}\n"
    once = filled(text, tmp_path)
    assert once == (
        f"Before\n\n<!-- speed: here ratios -->\n\n{ratio_table(found)}\n\n<!-- end -->\n\nBetween\n\n"
        f"<!-- speed: there loop -->\n\n{NOT_YET}\n\n<!-- end -->\n"
    )
    assert filled(once, tmp_path) == once


def test_the_readers_table_is_of_several_machines_and_tells_what_was_measured() -> None:
    first = record(ours_bf16=OURS, torchvision_tuned_bf16=row("tv", 200.0), stock_tuned_bf16=row("stock", 60.0))
    second = {**record(ours_fp32=row("this project", 40.0)), "date": "2026-11-26"}
    lines = report.glance_table([first, second]).splitlines()[2:]
    assert lines == [
        "| P, 2 cores, k | training, batches of 128, bf16 | 300 images/s | 1.50 × torchvision's network, tuned, "
        "5.00 × stock PyTorch | commit 0123456 |",
        "| P, 2 cores, k | training, batches of 128, fp32 | 40.0 images/s |  | 2026-11-26 |",
    ]


def test_a_document_gets_a_table_of_several_records(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(json.dumps(record(ours_bf16=OURS)), encoding="utf-8")
    text = "<!-- speed: a+b glance -->\n<!-- end -->"
    assert filled(text, tmp_path).count("300 images/s") == 2
    assert NOT_YET in filled(text.replace("a+b", "a+c"), tmp_path)


def test_networks_share_no_more_than_their_ceiling() -> None:
    def step(name: str, share: float) -> dict[str, Any]:
        facts = {"flops_per_second": 9.0e10, "share_of_ceiling": share}
        step = Measurement("training step", "images/s", [20.0, 22.0, 24.0], 64, "fp32", 2_000_000_000, facts)
        return {"bench": "step", "model": name, "rows": [step.to_json()]}

    lines = report.networks_table({"results": [step("owt", 0.8), step("paper", 1.1)]}).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == ["| owt", "| paper"]
    assert "| 22.0 images/s | 18 % | 90 GFLOP/s | 80 % |" in lines[0] and "| 90 GFLOP/s | – |" in lines[1]
