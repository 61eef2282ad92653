"""The numbers that README prints: recomputed, or read from the record that they quote.

test_claims_which.py and test_docs_errata.py do the same for the documents.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from commanding import alexnet
from printed import long_numbers, missing, percent, percentages, table

from alexnet.cli.predict import print_bars
from alexnet.evaluation.answers import Answer, Prediction
from alexnet.model.account import account
from alexnet.model.variants import PAPER, VARIANTS, variant
from alexnet.training import run
from alexnet.training.recipe import Recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROOFS = json.loads((ROOT / "results" / "proofs" / "agreement.json").read_text(encoding="utf-8"))["proofs"]
SHARES = {"83 %"}
RECORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "results").glob("*.json")}


def test_the_layer_table_is_the_one_that_the_command_prints() -> None:
    printed = re.search(r"^\$ alexnet layers paper\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert printed, "README shows `alexnet layers paper`"
    lines = [line.rstrip() for line in alexnet("layers", "paper").stdout.splitlines()]
    for line in printed[1].splitlines():
        assert line == "…" or line.rstrip() in lines, line


def test_the_size_of_the_network_is_stated_right() -> None:
    total = account(PAPER).to_json()["total"]
    counts = [f"{total[name]:,}" for name in ("parameters", "neurons", "macs")]
    assert not missing(README, *counts, f"{total['parameter_bytes'] / 2**20:.2f} MiB")
    assert account(variant("paper", input_size=227)).total("parameters") == total["parameters"]


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_says_all_that_a_result_needs(name: str) -> None:
    record = RECORDS[name]
    for key in ("question", "command", "commit", "seed", "recipe", "environment", "training_seconds", "epochs"):
        assert record[key] not in (None, "", {}), key
    assert Recipe.from_json(record["recipe"]).seed == record["seed"]
    assert re.fullmatch(r"[0-9a-f]{40}", record["commit"])
    for crops in ("centre_crop", "ten_crop"):
        measured = record[crops]
        # an error is a count of photographs over their number
        assert (measured["top1_error"] * measured["images"]) == pytest.approx(
            round(measured["top1_error"] * measured["images"]), abs=1e-6
        )
        assert 0 <= measured["top5_error"] <= measured["top1_error"] <= 1
    assert not any(part in json.dumps(record) for part in ("/root/", "/home/")), "no paths of a machine"


def whole_numbers(plain: Any) -> Iterator[int]:
    """The whole numbers anywhere in plain JSON types."""
    match plain:
        case int():
            yield plain
        case dict():
            yield from whole_numbers(list(plain.values()))
        case list() | tuple():
            for item in plain:
                yield from whole_numbers(item)


def test_every_long_number_is_counted_or_recorded() -> None:
    counted = {number for spec in VARIANTS.values() for number in whole_numbers(account(spec).to_json())}
    counted |= set(whole_numbers(list(RECORDS.values())))
    crops = {(256 - 224) ** 2 * 2, (256 - 224 + 1) ** 2 * 2}  # positions and mirrors, as printed and as there are
    printed = long_numbers(re.sub(r"image_\d+\.jpg|original2012|owt-\w+", "", README))
    assert set(printed) <= set(map(str, counted | crops))


def test_the_table_of_networks_has_all_of_them_with_their_counts() -> None:
    rows = {row[0].strip("`"): row[2:4] for row in table(README, "network")}
    assert rows == {
        name: [f"{account(spec).total('parameters'):,}", f"{account(spec).total('macs'):,}"]
        for name, spec in VARIANTS.items()
    }


def errors(record: dict[str, Any]) -> list[str]:
    """Top-1 and top-5 error of a record, as printed: by the centre crop, by ten crops."""
    return [
        f"{percent(record[crops]['top1_error'])} / {percent(record[crops]['top5_error'])}"
        for crops in ("centre_crop", "ten_crop")
    ]


def test_quoted_results_are_those_of_the_records() -> None:
    rows = [line for line in README.splitlines() if line.startswith("|") and "results/" in line]
    quoted = [(row, name) for row in rows for name in re.findall(r"results/([\w-]+)\.json", row)]
    assert quoted, "README quotes records"
    for row, name in quoted:
        record = RECORDS[name]
        seen = record.get("photographs", record["data"]["splits"])["train"]
        told = (f"{record['epochs']} epochs", f"{seen:,}", f"seed {record['seed']}")
        minutes = f"{record['training_seconds'] / 60:.0f} minutes"
        assert not missing(row.replace(" | ", "; "), minutes, *told, *errors(record)), name


def test_the_photographs_shown_are_those_of_the_record() -> None:
    record = RECORDS["flowers17-small-seed0"]
    rows = [line for line in README.splitlines() if re.match(r"\| `image_\d+\.jpg` \|", line)]
    assert len(rows) == len(record["examples"]) == 5
    for example, row in zip(record["examples"], rows, strict=True):
        said = ", ".join(f"{answer} {percent(probability)}" for answer, probability in example["answers"])
        assert row == f"| `{example['photograph']}` | {example['true']} | {said} |"
    right = [example["answers"][0][0] == example["true"] for example in record["examples"]]
    assert any(right) and not all(right), "right ones and wrong ones"


def test_what_is_said_about_the_photographs_is_in_the_record() -> None:
    record = RECORDS["flowers17-small-seed0"]
    assert record["data"]["splits"] == {"train": 17 * 64, "test": 17 * 16}
    linear, chance = percent(record["linear_top1_error"]), percent(16 / 17)
    assert not missing(README, linear, chance, f"{record['lookalikes_across_splits']} groups")


def test_the_demos_report_is_the_recorded_one() -> None:
    record = RECORDS["shapes-demo-seed0"]
    for words, key in (("the network, centre crop", "centre_crop"), ("the network, ten crops", "ten_crop")):
        errors = (percent(record[key]["top1_error"]), percent(record[key]["top5_error"]))
        assert re.search(rf"^{words} +{errors[0]} +{errors[1]}$", README, re.MULTILINE)
    assert re.search(
        rf"^a linear classifier on the pixels +{percent(record['linear_top1_error'])} ", README, re.MULTILINE
    )
    assert record["centre_crop"]["top1_error"] < 0.25 < record["linear_top1_error"]


def test_the_answer_shown_first_is_the_commands_of_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    examples = RECORDS["flowers17-small-seed0"]["examples"]
    example = next(each for each in examples if each["answers"][0][0] == each["true"])  # the first that is right
    answers = [Answer(name, "", 0, probability) for name, probability in example["answers"]]
    print_bars([Prediction(example["photograph"], tuple(answers))])
    printed = capsys.readouterr().out.rstrip()
    assert f"$ alexnet predict runs/flowers17/model {example['photograph']} --top {len(answers)}\n{printed}\n" in README


def test_the_largest_difference_of_logits_is_the_recorded_one() -> None:
    (logits,) = (proof for proof in PROOFS if "logits of the exported files" in proof["title"])
    assert not missing(README, f"{logits['worst']:.1e}", "results/proofs/agreement.md")
    assert all(proof["passes"] for proof in PROOFS)


def test_the_checks_named_for_a_network_are_there() -> None:
    rows = table(README, "network | checked against")
    assert [row[0].strip("`") for row in rows] == list(VARIANTS)
    for name, _, where, shown in rows:
        text = (ROOT / where.strip("`")).read_text(encoding="utf-8")
        known = (name.strip("`"), "VARIANTS", "networks()") if name != "`paper`" else ("PAPER", "paper")
        assert any(word in text for word in known) and shown, name


def test_the_files_of_a_run_are_those_that_training_leaves() -> None:
    told = (run.__doc__ or "").split()
    rows = table(README, "file | what it holds")
    files = {name for row in rows for name in re.findall(r"`([\w./]+)`", row[0])}
    assert files == {word for word in told if re.fullmatch(r"[\w/]+(\.\w+|/)", word)} - {"tensorboard/"}


QUOTED = {"40.7 %", "18.2 %", "25 %"}  # of the paper, table 2 and figure 1
INTERVAL = "95 %"


def test_every_percentage_of_the_text_is_recorded_or_quoted() -> None:
    prose = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
    known = QUOTED | {percent(16 / 17), INTERVAL}  # chance among 17 flowers
    for arm in (
        "base/imagenet20-64",
        "printed/model=paper",
        "printed/start=printed",
    ):  # test_claims_experiments.py says which
        paths = (ROOT / "results" / "experiments" / arm).parent.glob(f"{Path(arm).name}-[0-9].json")
        known.add(percent(mean(json.loads(path.read_text(encoding="utf-8"))["test"]["top1_error"] for path in paths)))
    for record in RECORDS.values():
        known |= {error for pair in errors(record) for error in pair.split(" / ")}
        known.add(percent(record["linear_top1_error"]))
        answers = [answer for example in record["examples"] for answer in example["answers"]]
        known |= {percent(probability) for _, probability in answers}
    for name in ("flowers17-small", "flowers17-paper", "imagewoof"):
        seeds = [RECORDS[f"{name}-seed{seed}"] for seed in (0, 1, 2)]
        known |= {percent(mean(each[crops]["top1_error"] for each in seeds)) for crops in ("centre_crop", "ten_crop")}
    known.add(percent(9 / 10))  # chance among ten breeds
    raced = json.loads((ROOT / "results" / "race" / "imagenette.json").read_text(encoding="utf-8"))["race"]
    ends = [raced[name]["points"][-1] for name in ("ours", "torchvision")]  # test_claims_race.py says which
    known |= {percent(end["wrong"] / end["images"]) for end in ends}
    assert percentages(prose) - known == SHARES, "and those that test_claims_speed.py holds"
