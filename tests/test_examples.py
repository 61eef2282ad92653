"""The examples, and README's Python, as a reader runs them: a file, in a process of its own, without a guard."""

import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from test_walkthrough import README, your_photographs

import alexnet
from alexnet.data.store import Store

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def output(file: Path, *words: object, folder: Path) -> str:
    """What a program prints in `folder`; its data and networks are those of tests/small."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent / "small"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(file), *map(str, words)]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder in which the quickstart ran, beside photographs, and what it printed."""
    folder = tmp_path_factory.mktemp("quickstart")
    your_photographs(folder)
    return folder, output(ROOT / "examples" / "quickstart.py", folder=folder).splitlines()


def test_the_quickstart_prepares_trains_measures_and_names(learned: tuple[Path, list[str]]) -> None:
    folder, lines = learned
    assert lines[0] == "40 photographs of 10 classes: {'train': 20, 'val': 10, 'test': 10}"
    assert re.fullmatch(r"\d+\.0% of 10 photographs are named wrongly, chance is 90%", lines[1])
    store = Store.open(folder / "quickstart.store")
    assert [line.split(":")[0] for line in lines[2:]] == [f"test/{thing}/00000" for thing in store.class_names[:3]]


def test_a_network_is_made_to_know_other_classes(learned: tuple[Path, list[str]]) -> None:
    words = "runs/quickstart", "photographs"
    lines = output(ROOT / "examples" / "finetune.py", *words, folder=learned[0]).splitlines()
    assert "of 2 photographs that were held out are named wrongly" in lines[0]
    assert len(lines) == 3


def test_features_are_kept_and_compared(learned: tuple[Path, list[str]]) -> None:
    names = ["holiday.jpg", "garden.png", "holiday.jpg"]
    lines = output(ROOT / "examples" / "features.py", "runs/quickstart", *names, folder=learned[0]).splitlines()
    assert lines[:2] == ["pool5 (3, 32, 6, 6) float32", "relu7 (3, 24) float32"]
    assert lines[2] == "holiday.jpg is most like holiday.jpg, at a distance of 0.0"
    assert (learned[0] / "features.npz").is_file()


def test_two_networks_are_compared_by_what_they_find_alike(learned: tuple[Path, list[str]]) -> None:
    names = ["holiday.jpg", "garden.png", "photographs/cat/1.png"]
    folder = learned[0]
    names = [name for name in names if (folder / name).is_file()]
    names += [str(path) for path in sorted(folder.glob("photographs/*/*"))[:3]]
    lines = output(
        ROOT / "examples" / "rdm.py", "runs/quickstart", "runs/quickstart", *names, folder=folder
    ).splitlines()
    assert lines[0] == "conv1    rank correlation of the two networks 1.000"
    with np.load(folder / "rdm.npz") as saved:
        matrix = saved["runs_quickstart relu5"]
        assert saved["stimuli"].tolist() == names
    assert matrix.shape == (len(names), len(names))
    assert np.allclose(matrix, matrix.T) and np.allclose(matrix.diagonal(), 0)


def rank_correlation(
    monkeypatch: pytest.MonkeyPatch, folder: Path, one: list[list[int]], other: list[list[int]]
) -> str:
    """What rdm.py prints of two networks with one stage, whose numbers for the stimuli are these."""
    stages = SimpleNamespace(net=SimpleNamespace(spec=SimpleNamespace(layers=[SimpleNamespace(name="relu7")])))
    numbers = {"one": np.array(one, np.float32), "other": np.array(other, np.float32)}
    monkeypatch.setattr(alexnet, "load", lambda which: SimpleNamespace(which=which, **vars(stages)), raising=False)
    extract = lambda model, stimuli, stages: {"relu7": numbers[model.which]}  # noqa: E731
    monkeypatch.setattr(alexnet, "extract", extract, raising=False)
    monkeypatch.setattr(sys, "argv", ["rdm.py", "one", "other", *map(str, range(len(one)))])
    monkeypatch.chdir(folder)
    with redirect_stdout(StringIO()) as printed:
        run_path(str(ROOT / "examples" / "rdm.py"))
    return printed.getvalue().split()[-1]


ALIKE = [[1, 0, 0], [2, 0, 0], [3, 0, 0]]  # all correlations are 1
APART = [[1, 0, 0], [0, 1, 0], [1, 0, 3]]


def test_matrices_that_have_no_order_have_no_rank_correlation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert rank_correlation(monkeypatch, tmp_path, APART, APART) == "1.000"
    assert rank_correlation(monkeypatch, tmp_path, ALIKE, ALIKE) == "nan"
    assert rank_correlation(monkeypatch, tmp_path, [[0, 0, 0], *APART[1:]], APART) == "nan"  # of a constant: NaN


def test_equal_entries_of_a_matrix_have_the_mean_of_their_ranks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stats = pytest.importorskip("scipy.stats")
    one, other = [*APART, [1, 0, 0]], [[0, 2, 1], [1, 1, 0], *APART[:2]]
    above = [1 - np.corrcoef(rows)[np.triu_indices(4, 1)].round(9) for rows in (one, other)]
    assert len(set(above[0])) < 6
    expected = stats.spearmanr(*above).statistic
    assert rank_correlation(monkeypatch, tmp_path, one, other) == f"{expected:.3f}"


def test_a_receptive_field_is_a_part_of_the_photograph(learned: tuple[Path, list[str]]) -> None:
    words = ("runs/quickstart", "holiday.jpg", "relu5")
    first, second = output(ROOT / "examples" / "receptive_field.py", *words, folder=learned[0]).splitlines()
    assert re.fullmatch(r"relu5: channel \d+ answers [\d.]+ at row \d+, column \d+", first)
    found = [int(number) for number in re.findall(r"\d+", second)]
    assert 0 <= found[0] < found[1] <= found[2] and 0 <= found[3] < found[4] <= found[5]


def test_behind_a_fully_connected_layer_a_unit_sees_all(learned: tuple[Path, list[str]]) -> None:
    example, folder = ROOT / "examples" / "receptive_field.py", learned[0]
    first, second = output(example, "runs/quickstart", "holiday.jpg", "relu7", folder=folder).splitlines()
    assert re.fullmatch(r"relu7: unit \d+ answers [\d.]+", first)
    left, right, _, top, bottom, _ = map(int, re.findall(r"\d+", second))
    conv1 = output(example, "runs/quickstart", "holiday.jpg", "conv1", folder=folder).splitlines()[1]
    x1, x2, _, y1, y2, _ = map(int, re.findall(r"\d+", conv1))
    assert left <= x1 < x2 <= right and top <= y1 < y2 <= bottom and right - left > x2 - x1


def test_a_network_of_one_s_own_is_trained_as_any_other(tmp_path: Path) -> None:
    lines = output(ROOT / "examples" / "own_network.py", folder=tmp_path).splitlines()
    assert lines[0].startswith("conv1  32 × 28 × 28")
    assert lines[-1] == "{'norm1': (1, 32, 28, 28), 'relu3': (1, 128)}"


def test_the_python_of_the_page_works_as_a_file(tmp_path: Path) -> None:
    block = re.search(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert block
    (tmp_path / "page.py").write_text(block[1], encoding="utf-8")
    your_photographs(tmp_path)
    lines = output(tmp_path / "page.py", folder=tmp_path).splitlines()
    assert [line.split(" ")[0] for line in lines[1:3]] == ["holiday.jpg", "garden.png"]
    assert lines[3:] == ["(2, 12, 55, 55) (2, 24)"]


@pytest.mark.parametrize("name", ["features", "finetune", "rdm", "receptive_field"])
def test_an_example_without_words_says_how_it_is_called(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py")]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    said = re.search(rf"^ *(python examples/{name}\.py .+)$", Path(command[1]).read_text(), re.MULTILINE)
    assert said and (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"usage: {said[1]}\n")


def test_examples_are_short_and_all_of_them_are_run() -> None:
    assert {file.stem for file in EXAMPLES} == {
        "quickstart", "finetune", "features", "own_network", "rdm", "receptive_field",
    }  # fmt: skip
    assert all(len(file.read_text(encoding="utf-8").splitlines()) < 60 for file in EXAMPLES)
