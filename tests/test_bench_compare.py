"""Turns, losses and records, with contenders that answer at once."""

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import compare
import pytest
from compare import NO_BF16, slug, take_turns
from contenders.protocol import Unable
from entrants import OURS, RATIOS, SECTIONS, THEIRS, Entrant


class Fake:
    """A contender that notes its rounds and answers rates from a list; a text among them is why it stops."""

    said: ClassVar[list[str]] = []
    ended: ClassVar[list[str]] = []

    def __init__(self, name: str, rates: list[float | str]) -> None:
        self.name, self.rates = name, iter(rates)

    def ready(self) -> dict[str, Any]:
        self.said.append(f"{self.name} ready")
        return {"versions": {self.name: "1"}}

    def round(self) -> float:
        self.said.append(self.name)
        rate = next(self.rates)
        if isinstance(rate, str):
            raise Unable(rate)
        return rate

    def finish(self) -> int:
        self.ended.append(self.name)
        return 10**9

    def end(self) -> None:
        self.ended.append(self.name)


def entrant(name: str, dtype: str = "fp32") -> Entrant:
    return Entrant(name, "fake.py", {"task": "step", "dtype": dtype})


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float | str]]:
    """The rates of each contender, by title, for the test to fill in."""
    found: dict[str, list[float | str]] = {}
    monkeypatch.setattr(Fake, "said", [])
    monkeypatch.setattr(Fake, "ended", [])
    monkeypatch.setattr(compare, "BETWEEN", 0.0)
    monkeypatch.setitem(compare.PYTHON, THEIRS, compare.PYTHON[OURS])
    monkeypatch.setattr(compare, "start", lambda entrant, settings: Fake(entrant.title, found[entrant.title]))
    return found


def test_contenders_take_turns_there_and_back(rates: dict[str, list[float | str]]) -> None:
    rates |= {"a": [1.0, 3.0, 2.0], "b": [5.0, 5.0, 6.0]}
    rows = take_turns({"a": entrant("a"), "b": entrant("b")}, {}, rounds=3, bf16=False)
    assert Fake.said == ["a ready", "b ready", "a", "b", "b", "a", "a", "b"]
    assert rows["a"]["samples"] == [1.0, 3.0, 2.0]
    assert (rows["a"]["median"], rows["a"]["spread"]) == (2.0, 1.0)
    assert (rows["b"]["median"], rows["b"]["spread"], rows["b"]["peak_memory"]) == (5.0, 0.2, 10**9)
    assert rows["b"]["facts"] == {"versions": {"b": "1"}}


def test_one_that_stops_is_reported_and_the_others_go_on(rates: dict[str, list[float | str]]) -> None:
    rates |= {"a": [1.0, "ended by signal 9"], "b": [5.0, 5.0, 6.0]}
    rows = take_turns({"a": entrant("a"), "b": entrant("b")}, {}, rounds=3, bf16=False)
    assert rows["a"]["skipped"] == "ended by signal 9"
    assert "median" not in rows["a"]
    assert rows["b"]["median"] == 5.0
    assert sorted(Fake.ended) == ["a", "b"]


def test_bf16_waits_for_hardware_unless_asked_for(rates: dict[str, list[float | str]]) -> None:
    rates |= {"a": [1.0], "b": [5.0]}
    entrants = {"a": entrant("a"), "b": entrant("b", "bf16")}
    assert take_turns(entrants, {}, rounds=1, bf16=False)["b"]["skipped"] == NO_BF16
    rates |= {"a": [1.0], "b": [5.0]}
    assert take_turns(entrants, {}, rounds=1, bf16=True)["b"]["median"] == 5.0


def test_without_the_others_environment_ours_is_measured_alone(
    rates: dict[str, list[float | str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rates |= {"a": [1.0], "b": [5.0]}
    monkeypatch.setitem(compare.PYTHON, THEIRS, str(tmp_path / "python"))
    entrants = {"a": entrant("a"), "b": replace(entrant("b"), environment=OURS)}
    rows = take_turns(entrants, {}, rounds=1, bf16=False)
    assert rows["a"]["skipped"] == compare.NO_ENVIRONMENT
    assert rows["b"]["median"] == 5.0


def test_all_processes_end_when_the_measurement_fails(
    rates: dict[str, list[float | str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Fake) -> float:
        raise KeyboardInterrupt

    rates |= {"a": [1.0], "b": [5.0]}
    monkeypatch.setattr(Fake, "round", interrupt)
    with pytest.raises(KeyboardInterrupt):
        take_turns({"a": entrant("a"), "b": entrant("b")}, {}, rounds=1, bf16=False)
    assert sorted(Fake.ended) == ["a", "b"]


def test_a_record_says_all_that_a_figure_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def turns(entrants: Any, settings: dict[str, Any], *, rounds: int, bf16: bool) -> dict[str, Any]:
        assert settings["batch_size"] == 32
        return {name: compare.describe(each) | {"median": 1.0} for name, each in entrants.items()}

    monkeypatch.setattr(compare, "take_turns", turns)
    options = argparse.Namespace(
        sections=["step"], batch_size=32, rounds=4, seconds=0.5, threads=1, bf16=False, only="^ours|fp32$", rows=8
    )
    record = json.loads(json.dumps(compare.run(options)))
    assert record["command"].startswith("python bench/compare.py")
    assert record["settings"] == {"batch_size": 32, "rounds": 4, "seconds": 0.5, "threads": 1}
    assert {"processor", "cores", "commit", "kernels", "torch", "python"} <= set(record["machine"])
    wanted = {name for name in SECTIONS["step"].entrants if name.startswith("ours") or name.endswith("fp32")}
    assert set(record["sections"]["step"]) == wanted


def test_training_steps_of_one_dtype_are_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[set[str]] = []

    def turns(entrants: Any, settings: dict[str, Any], *, rounds: int, bf16: bool) -> dict[str, Any]:
        together.append({each.dtype for each in entrants.values()})
        return {name: compare.describe(each) for name, each in entrants.items()}

    monkeypatch.setattr(compare, "take_turns", turns)
    options = argparse.Namespace(
        sections=["step", "forward"], batch_size=4, rounds=1, seconds=0.0, threads=1, bf16=True, only="", rows=8
    )
    record = compare.run(options)
    assert together == [{"fp32"}, {"bf16"}, {"fp32", "bf16"}]
    assert list(record["sections"]["step"]) == list(SECTIONS["step"].entrants)
    assert all(
        len({SECTIONS["step"].entrants[name].dtype for name in (each.ours, *each.others)}) == 1
        for each in RATIOS
        if each.section == "step"
    )


def test_a_contender_starts_in_its_environment_with_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(compare, "Contender", lambda *arguments: started.append(arguments))
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    for where in (OURS, THEIRS):
        compare.start(Entrant("a", "pytorch.py", {"task": "step"}, where), {"threads": 3, "batch_size": 5})
    for (command, settings, environment, _), where in zip(started, (OURS, THEIRS), strict=True):
        assert command[0] == compare.PYTHON[where]
        assert Path(command[1]).is_file()
        assert settings == {"task": "step", "threads": 3, "batch_size": 5}
        assert environment["OMP_NUM_THREADS"] == "3"
        assert "OMP_WAIT_POLICY" not in environment


def test_the_record_is_called_after_the_machine() -> None:
    name = slug({"processor": "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", "cores": 2})
    assert re.fullmatch(r"[a-z0-9-]+-2-cores", name)
    assert "xeon" in name
