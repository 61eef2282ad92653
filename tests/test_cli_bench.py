import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commanding import alexnet, refusal

import alexnet.cli.bench as bench
from alexnet.experiments.bench.table import BENCHES
from alexnet.experiments.bench.timing import Measurement


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What every measurement was asked for; none measures anything."""
    calls: list[dict[str, Any]] = []

    def fake(name: str) -> Any:
        def measure(**settings: Any) -> list[Measurement]:
            calls.append({"name": name, **settings})
            row = Measurement(
                f"{name} alone", "images/s", [99.0, 101.0, 100.0], settings["batch_size"], "fp32", 2 * 10**9
            )
            return [row, Measurement("product", "FLOP/s", [3.2e11], facts={"share_of_ceiling": 0.613})]

        return measure

    for name in BENCHES:
        monkeypatch.setitem(BENCHES, name, fake(name))
    return calls


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of processes that would have been started; each runs here instead."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        commands.append(command[3:])
        assert command[1:3] == ["-m", "alexnet"]
        result = alexnet(*command[3:])
        return SimpleNamespace(returncode=result.exit_code, stdout=result.stdout)

    monkeypatch.setattr(bench, "run", run)
    return commands


def test_one_measurement_runs_here(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    words = ("train", "-b", 7, "--rounds", 2, "--seconds", 0.5, "--input-size", 67, "--data", tmp_path, "--json")
    found = json.loads(alexnet("bench", *words, "--dtype", "fp32", "--threads", 1).stdout)
    assert len(asked) == 1
    call = asked[0]
    assert (call["name"], call["batch_size"], call["data"]) == ("train", 7, tmp_path)
    assert (call["rounds"].rounds, call["rounds"].seconds) == (2, 0.5)
    assert call["spec"].input_size == 67
    assert call["placement"].dtype_name == "fp32"
    assert found["machine"]["threads"] == 1
    assert found["results"][0]["bench"] == "train"
    assert found["results"][0]["rows"][0]["median"] == 100.0


def test_the_table_tells_machine_medians_and_facts(asked: list[dict[str, Any]]) -> None:
    lines = alexnet("bench", "step").stdout.splitlines()
    assert any(line.startswith("kernels: ") for line in lines)
    assert " ".join(lines[-2].split()) == "step alone 128 fp32 100 images/s 2 % 2.0 GB"
    assert lines[-1].split() == ["product", "320", "GFLOP/s", "0", "%", "61.3", "%", "of", "the", "ceiling"]


def test_each_batch_size_gets_a_process_of_its_own(asked: list[dict[str, Any]], children: list[list[str]]) -> None:
    found = json.loads(
        alexnet("bench", "step", "prepare", "-b", "1,8", "--json", "--allocator", "system", "--seconds", 0).stdout
    )
    assert [(call["name"], call["batch_size"]) for call in asked] == [("step", 1), ("step", 8), ("prepare", None)]
    assert all(("--allocator", "system") in pairwise(command) for command in children)
    assert [result["bench"] for result in found["results"]] == ["step", "step", "prepare"]
    assert found["machine"]


def test_networks_are_measured_one_after_the_other(asked: list[dict[str, Any]], children: list[list[str]]) -> None:
    result = alexnet("bench", "step", "-m", "owt,caffenet", "-b", "1,8", "--seconds", 0)
    calls = [(call["spec"].name, call["batch_size"]) for call in asked]
    assert calls == [("owt", 1), ("owt", 8), ("caffenet", 1), ("caffenet", 8)]
    assert [line.rpartition("; ")[2] for line in result.stdout.splitlines() if line.startswith("step: ")] == [
        "owt",
        "caffenet",
    ]
    assert "bench step, owt, batch size 8" in result.stderr


def test_without_a_word_everything_is_measured(asked: list[dict[str, Any]], children: list[list[str]]) -> None:
    result = alexnet("bench", "--quiet")
    assert [command[1] for command in children] == list(BENCHES)
    for title in bench.TITLES.values():
        assert title in result.stdout


def test_a_process_that_dies_leaves_a_line_and_the_others_their_rows(
    asked: list[dict[str, Any]], children: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = bench.run

    def killed(command: list[str], **options: Any) -> Any:
        return SimpleNamespace(returncode=-9, stdout="") if "512" in command else run(command, **options)

    monkeypatch.setattr(bench, "run", killed)
    result = alexnet("bench", "step", "-b", "8,512")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "batch size 512: ended by signal 9, most often for want of memory"
    assert "step alone 8 fp32" in " ".join(result.stdout.split())


def test_a_process_that_fails_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "run", lambda *_, **__: SimpleNamespace(returncode=3, stdout=""))
    result = alexnet("bench", "step", "loader")
    assert result.exit_code == 1
    assert result.stderr.endswith("alexnet: error: Measuring step failed, as said above.\n")


@pytest.mark.parametrize("text", ["0", "", "1,x", "8,-1"])
def test_batch_sizes_are_numbers_of_images(text: str) -> None:
    code, sentence = refusal("bench", "step", "--batch-sizes", text)
    assert code == 2
    assert sentence.endswith(f"--batch-sizes takes numbers of images like 1,8,32, not {text!r}.")


@pytest.mark.parametrize("words", [(), ("step",), ("train", "loader")])
def test_data_is_for_one_measurement_that_takes_it(words: tuple[str, ...]) -> None:
    assert "--data goes with one of" in refusal("bench", *words, "--data", "x")[1]


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0123, "s", "12.3 ms"),
        (1.234, "s", "1.23 s"),
        (2.1e12, "FLOP/s", "2,100 GFLOP/s"),
        (27.04, "images/s", "27.0 images/s"),
        (2685.4, "images/s", "2,685 images/s"),
    ],
)
def test_quantities_have_the_digits_that_matter(value: float, unit: str, said: str) -> None:
    assert bench.quantity(value, unit) == said


def test_the_usage_breaks_no_word() -> None:
    lines = alexnet("bench", "--help").stdout.splitlines()
    assert lines[0] == "Usage: alexnet bench [OPTIONS] [WHAT]..."
    listed = lines[lines.index("  Measurements:") + 1 :]
    assert [line.split()[0] for line in listed[: len(BENCHES)]] == list(bench.BATCH_SIZES)
