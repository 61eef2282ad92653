"""The figures of docs/performance.md: tables as the records have them, and arithmetic."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from entrants import RATIOS
from printed import missing, table
from report import BLOCK, EPOCHS, IMAGENET, JOINT, TABLES, days, filled, markdown, ratio, share_of_ceiling

from alexnet.experiments.bench.counting import training_flops
from alexnet.model.account import account
from alexnet.model.variants import PAPER

ROOT = Path(__file__).parents[1]
SPEED = ROOT / "results" / "speed"
PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
TEXT = BLOCK.sub("", PAGE)
PROSE = " ".join(TEXT.split())
RECORDS = {path.stem: path.read_text(encoding="utf-8") for path in SPEED.glob("*.json")}


def test_every_table_is_as_the_record_has_it() -> None:
    assert filled(PAGE, SPEED) == PAGE, "python bench/report.py docs/performance.md"


@pytest.mark.parametrize("path", sorted(SPEED.glob("*.md")), ids=lambda path: path.stem)
def test_the_tables_beside_a_record_are_its_own(path: Path) -> None:
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == markdown(record)


def test_no_share_is_above_the_whole() -> None:
    texts = [PAGE, *(path.read_text(encoding="utf-8") for path in SPEED.glob("*.md"))]
    shares = [row for text in texts for row in text.splitlines() if "eiling" in row and row.startswith("|")]
    assert shares
    assert all(float(number) <= 100 for row in shares for number in re.findall(r"([\d.,]+) % \|", row))


def test_every_record_is_shown() -> None:
    assert set(RECORDS) <= {name for block in BLOCK.finditer(PAGE) for name in block[2].split("+")}


def test_every_table_that_is_asked_for_exists() -> None:
    assert {block[3] for block in BLOCK.finditer(PAGE)} <= {*TABLES, *JOINT}
    assert PAGE.count("<!-- speed:") == PAGE.count("<!-- end -->") == len(list(BLOCK.finditer(PAGE)))


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_says_on_what_it_was_measured(name: str) -> None:
    record = json.loads(RECORDS[name])
    assert re.fullmatch("[0-9a-f]{40}", record["machine"]["commit"])
    assert not record["machine"]["changed"], "measured on sources that are in no commit"
    assert record["command"].startswith(("python bench/compare.py", "python bench/convolutions.py", "alexnet bench"))
    assert not re.search(r"[\" =:]/\w+/", RECORDS[name]), "no paths of a machine"


def test_what_a_step_costs_is_the_accounts() -> None:
    total = account(PAPER)
    first = total.rows[0].macs
    macs = total.total("macs")
    assert not missing(TEXT, f"{macs:,}", f"{2 * macs / 1e9:.2f} GFLOP")
    assert not missing(TEXT, f"2 · (3 · {macs:,} − {first:,}) = {training_flops(PAPER) / 1e9:.2f} GFLOP")
    assert not missing(TEXT, f"{total.total('parameters'):,} parameters")


def test_the_originals_rate_is_arithmetic() -> None:
    """90 epochs of 1.2 million photographs in five to six days, as the paper has it."""
    rates = [90 * 1.2e6 / days / 86400 for days in (6, 5)]
    assert not missing(TEXT, f"{rates[0]:.0f} to {rates[1]:.0f} images")
    assert (EPOCHS, IMAGENET) == (90, 1_281_167)


def test_readme_quotes_the_record_of_the_comparison() -> None:
    record = json.loads(RECORDS["amd-epyc-zen5-2-cores"])
    found = {asked.title: ratio(record, asked)[0] for asked in RATIOS}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found_share = share_of_ceiling(record, "bf16")
    assert found_share
    share, _ = found_share
    first = f"{found['training step, bf16, against stock PyTorch']:.1f}"
    assert not missing(readme, str(record["settings"]["batch_size"]), f"{first} times")
    rows = {(what, beside.split(",")[0]): rate for what, rate, beside in table(readme, "what | rate")}
    assert rows == {
        ("training step, bf16", "stock PyTorch"): f"{first} ×",
        ("training step, bf16", "Keras"): f"{found['training step, bf16, against Keras']:.1f} ×",
        ("training step, bf16", "torchvision's network"): (
            f"{found['training step, bf16, against tuned torchvision']:.1f} ×"
        ),
        ("training step, bf16", "the fastest matrix product"): f"{100 * share:.0f} %",
        ("inference, bf16", "OpenVINO"): f"{found['inference, bf16, against the fastest other']:.1f} ×",
        ("batches from a store", "torchvision's ImageFolder"): (
            f"{found['loader, raw store, against ImageFolder']:.0f} ×"
        ),
        ("`alexnet train`", "the bare training step"): f"{record['train']['loop']['facts']['of_bare_step']:.2f} ×",
        ("90 epochs of ImageNet, at that rate", "five to six days on two GTX 580 in 2012 (quoted)"): (
            f"{days(record['train']['loop']['median']):.1f} days"
        ),
    }
    assert fastest_other(record, "bf16").startswith("OpenVINO")


def test_readme_quotes_the_record_without_bf16() -> None:
    record = json.loads(RECORDS["amd-epyc-zen3-2-cores"])
    found = {asked.title: ratio(record, asked)[0] for asked in RATIOS}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {(what, beside.split(",")[0]): rate for what, rate, beside in table(readme, "without bf16 | rate")}
    assert rows == {
        ("training step", "stock PyTorch"): f"{found['training step, fp32, against stock PyTorch']:.1f} ×",
        ("training step", "torchvision's network"): f"{found['training step, fp32, against tuned torchvision']:.1f} ×",
        ("inference", "OpenVINO"): f"{found['inference, fp32, against the fastest other']:.1f} ×",
    }
    assert fastest_other(record, "fp32").startswith("OpenVINO")


def test_the_share_of_products_in_tiles_is_as_recorded() -> None:
    first = json.loads(RECORDS["amd-epyc-zen3-2-cores-networks"])["results"][0]
    assert first["model"] == "paper"
    said = f"{100 * first['rows'][0]['facts']['multiplied']:.0f} of 100"
    assert not missing(TEXT, f"become {said}") and not missing(TEXT, f"products that are made, {said}")


def fastest_other(record: dict[str, Any], dtype: str) -> str:
    asked = next(asked for asked in RATIOS if asked.title == f"inference, {dtype}, against the fastest other")
    return ratio(record, asked)[1]


def test_no_other_rates_stand_in_the_text() -> None:
    """A measured figure belongs into a table that a record fills."""
    assert not re.findall(r"\d images/s|\d (?:ms|GB/s|TFLOP)\b", PROSE)
