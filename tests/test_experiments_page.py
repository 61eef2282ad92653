"""docs/experiments.md is made from the records, and from nothing else."""

import json
from dataclasses import replace
from pathlib import Path

from experimenting import of_times, on_record, record, row
from printed import table

from alexnet.experiments.design import EPOCHS, Arm, Search, Stop
from alexnet.experiments.findings import findings
from alexnet.experiments.page import page
from alexnet.experiments.records import Task, write_record
from alexnet.experiments.table import EXPERIMENTS

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "results" / "experiments"
THREE = row(seeds=(0, 1, 2), note="It was small.")
PAIR = replace(THREE.pairs[0], present="a", absent="b")
SEARCHED = replace(
    THREE,
    name="fast",
    outcome=EPOCHS,
    levels=(0.25, 0.5),
    stop=Stop(0.25, 8.0),
    search=Search(1.0),
    arms=(Arm("a", {}, (0.01, 0.02)), Arm("b", {"mirror": "false"}, (0.01, 0.02))),
    pairs=(PAIR,),
)


def test_the_page_is_the_one_that_the_records_make() -> None:
    made = page([findings(each, RECORDS) for each in EXPERIMENTS.values()])
    assert (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8") == made, (
        "alexnet experiment --report docs/experiments.md makes it anew"
    )


def test_records_are_small_and_hold_no_places_of_a_machine() -> None:
    files = list(RECORDS.rglob("*.json"))
    assert sum(path.stat().st_size for path in files) < 5_000 * len(files)
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("/root/", "/home/", "/tmp/")), path
        assert not json.loads(text)["quick"]


def test_the_arms_of_a_seed_ran_on_one_kind_of_machine() -> None:
    for each in EXPERIMENTS.values():
        machines: dict[int, set[str]] = {}
        for (_, seed), run in findings(each, RECORDS).results.items():
            told = run["environment"]
            machines.setdefault(seed, set()).add(told.get("gpu") or told["processor"])
        assert all(len(kinds) == 1 for kinds in machines.values()), each.name


def test_what_has_no_record_is_said_so(tmp_path: Path) -> None:
    text = page([findings(THREE, tmp_path)])
    assert table(text, "experiment")[0][4:] == ["not run yet", "–"]
    assert "Not run yet: `alexnet experiment small --data colours.store --jobs 2 --threads 1`." in text
    assert "- `colours-32`: Colours. It is small. `alexnet prepare colours colours.store`" in text
    assert "Expected, before any run: Nothing." in text and "forest" not in text


def test_effects_arms_failures_and_times_are_on_the_page(tmp_path: Path) -> None:
    on_record(tmp_path, THREE, {"base": [0.30, 0.29, 0.31], "mirror=false": [0.35, 0.36, 0.89]})
    text = page([findings(THREE, tmp_path)])
    assert table(text, "arm")[0] == ["`base`", "3", "30.0", "1.00", "30.0 %", "10.0 %"]
    assert "3 seeds, mirrors changes the top-1 error by" in text and "1 of these runs was at chance" in text
    assert "Diverged, or at chance in the end: `mirror=false` seed 2." in text
    assert "6 runs, 6.0 hours by the clock, 3.0 of a processor; fp32, a slow one." in text
    assert "(experiments/forest.svg)" in text and "It was small." in text
    assert table(text, "experiment")[0][3:] == ["3", "6 of 6", "–"]


def test_how_many_expectations_were_met_is_on_the_page(tmp_path: Path) -> None:
    pairs = [replace(THREE.pairs[0], title=f"{said}", expected=said) for said in ((-6.0, -5.0), (0.0, 1.0), None)]
    expecting = replace(THREE, pairs=tuple(pairs))
    on_record(tmp_path, expecting, {"base": [0.30, 0.29, 0.31], "mirror=false": [0.35, 0.35, 0.36]})
    assert table(page([findings(expecting, tmp_path)]), "experiment")[0][5] == "1 of 2"


def test_a_changed_number_changes_the_page(tmp_path: Path) -> None:
    on_record(tmp_path, THREE, {"base": [0.30, 0.29, 0.31], "mirror=false": [0.35, 0.36, 0.35]})
    before = page([findings(THREE, tmp_path)])
    task = Task(THREE, "base", 0)
    write_record(tmp_path / task.file, record(task, test=0.32))
    assert page([findings(THREE, tmp_path)]) != before


def test_times_and_the_whole_grid_of_rates_are_on_the_page(tmp_path: Path) -> None:
    for name, rates in {"a": {0.01: 0.5, 0.02: 0.4, 0.04: 0.6}, "b": {0.005: 0.7, 0.01: 0.5, 0.02: 0.6}}.items():
        for rate, error in rates.items():
            task = Task(SEARCHED, name, 100, rate, search=True)
            ended = "diverged" if rate == 0.04 else "cap"
            write_record(tmp_path / task.file, record(task, windows=[[1.0, error]], ended=ended))
    assert "Not run yet beyond the search for rates (6 runs)" in page([findings(SEARCHED, tmp_path)])
    of_times(tmp_path, SEARCHED, {"a": [2.0, 2.0, 2.5]}, 0.02)
    of_times(tmp_path, SEARCHED, {"b": [4.0, None, 4.5]}, 0.01)
    text = page([findings(SEARCHED, tmp_path)])
    assert "`a` | 0.01: 50.0 %; 0.02: 40.0 % *; 0.04: diverged |" in text
    assert "`b` | 0.005: 70.0 %; 0.01: 50.0 % *; 0.02: 60.0 % |" in text
    assert "| `a` | 2.00, 2.00, 2.50 |" in text and "| `b` | 4.00, > 8.0, 4.50 |" in text
    assert "| mirrors | ≥ 2.43 |" in text
    assert "(experiments/fast.svg)" in text
