"""Looks at trained networks: what is found in them, against the same worked out another way, and its record."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experimenting import BENCH, RUNTIME, places, row

from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.extract import extract
from alexnet.evaluation.predictor import Predictor
from alexnet.experiments import looking, trial
from alexnet.experiments.conduct import Places, conduct, recorded
from alexnet.experiments.design import ALIKE, APART, BASE, TOGETHER, Experiment, Pair
from alexnet.experiments.findings import findings
from alexnet.experiments.looking import centres, colour_shares, digits_36, look_at, spread
from alexnet.experiments.looks import alike, halves, in_words
from alexnet.experiments.order import tasks
from alexnet.experiments.records import RecordJson, Task, read_record, write_record
from alexnet.experiments.table import EXPERIMENTS
from alexnet.model.device import place
from alexnet.weights.model_dir import load_model

PAIR = Pair("two, not one", "two, not one,", BASE, BASE, networks=2)
TOGETHER_ROW = row(name="joined", of="small", outcome=TOGETHER, arms=(), pairs=(PAIR,))
ALIKE_ROW = replace(TOGETHER_ROW, name="near", outcome=ALIKE)
APART_ROW = replace(TOGETHER_ROW, name="apart", outcome=APART)


def made(row: Experiment, where: Places, seeds: Sequence[int] | None = None) -> list[RecordJson]:
    """The records of all looks of a row, in their order; the runs are made where they are not on record."""

    def look(task: Task) -> RecordJson | None:
        return read_record(where.record(task))

    found = []
    while left := [task for task in tasks(row, look, seeds) if look(task) is None]:
        if left[0].experiment.of:
            found.append(look_at(left[0], where, RUNTIME))
        else:
            assert conduct(left[0], where, RUNTIME) is not None
    return found


@pytest.fixture(scope="module")
def where(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Two networks of three layers, trained and on record, whose last convolution stands for fc7."""
    before, looking.HIDDEN = looking.HIDDEN, "relu3"
    found = places(colours, tmp_path_factory.mktemp("looking"))
    for seed in (0, 1):
        assert conduct(Task(row(), BASE, seed), found, RUNTIME) is not None
    yield found
    looking.HIDDEN = before


def models(where: Places) -> list[Path]:
    return [where.work / f"base/{BENCH.name}-{seed}" / "model" for seed in (0, 1)]


def test_a_share_of_colour_is_what_is_not_grey() -> None:
    kernels = np.zeros((4, 3, 11, 11))
    kernels[0] = 0.3  # grey
    kernels[1, 0], kernels[1, 1] = 1.0, -1.0  # of colour alone
    kernels[2, 0] = 1.0  # red: a third of it is grey
    np.testing.assert_allclose(colour_shares(kernels), [0.0, 1.0, 2 / 3, 1.0], atol=1e-12)
    noise = np.random.default_rng(0).normal(size=(1000, 3, 11, 11))
    assert colour_shares(noise).mean() == pytest.approx(2 / 3, abs=0.005)


def test_the_colours_of_a_network_are_those_of_its_first_kernels(where: Places) -> None:
    first, second = made(APART_ROW, where)
    weights = load_model(models(where)[0]).net.get_parameter("conv1.weight").detach().numpy()
    grey = np.repeat(weights.mean(1, keepdims=True), 3, 1)
    shares = ((weights - grey) ** 2).sum((1, 2, 3)) / (weights**2).sum((1, 2, 3))
    np.testing.assert_allclose(first.get("numbers", {})["colour"], shares, atol=1e-4)
    assert first.get("numbers") != second.get("numbers")
    found = halves(first)
    assert found is not None and found.first == pytest.approx(shares[:16].mean(), abs=1e-4)
    assert in_words(first).startswith(f"shares of colour {100 * found.first:.1f} and {100 * found.second:.1f} %, p 0.")


def test_neighbours_are_the_nearest_by_both_measures(where: Places, colours: Store) -> None:
    first, second = made(ALIKE_ROW, where)
    test, train = ([colours.read(int(each)) for each in colours.split(split)] for split in ("test", "train"))
    own, of = (colours.labels[colours.split(split)] for split in ("test", "train"))
    hidden = [
        extract(models(where)[0], list(photographs), "relu3", placement=place("cpu", "fp32"))["relu3"]
        for photographs in (test, train)
    ]
    crop = slice(112, 144)  # the middle 32 of 256 pixels
    pixels = [np.stack([each[crop, crop].astype(float) for each in photographs]) for photographs in (test, train)]
    for name, (asked, known) in (("fc7", hidden), ("pixels", pixels)):
        wanted = []
        for query, label in zip(asked, own, strict=True):
            far = [np.sum((np.float64(each) - query) ** 2) for each in known]
            wanted.append(sum(of[place] == label for place in np.argsort(far, kind="stable")[:6]))
        assert alike(first, name) is not None and alike(first, name).tolist() == wanted  # type: ignore[union-attr]
    assert first.get("counts", {})["pixels"] == second.get("counts", {})["pixels"]
    (chance,) = first.get("numbers", {})["chance"]
    assert chance == pytest.approx(np.mean([np.mean(of == label) for label in own]), abs=1e-5)
    assert "% of neighbours alike by fc7" in in_words(first)


def test_centres_are_what_the_network_sees(where: Places, colours: Store) -> None:
    position = int(colours.split("test")[0])
    photograph = colours.read(position).copy()
    assert photograph.std() > 0
    seen = Predictor(models(where)[0]).views(photograph)
    np.testing.assert_array_equal(centres(colours, np.array([position]), 32)[0], seen.crops[0].ravel())


def test_ensembles_are_those_that_evaluate_makes(where: Places, colours: Store) -> None:
    first, second = made(TOGETHER_ROW, where)
    one, other = models(where)
    cpu = place("cpu", "fp32")
    for record, size, of in ((first, "1", one), (second, "1", other), (second, "2", [one, other])):
        tally = evaluate(of, colours, split="test", crops=10, placement=cpu)
        assert sum(map(int, record.get("counts", {})[size])) == tally.top1_wrong
    assert list(first.get("counts", {})) == ["1"], "no two networks yet"
    assert in_words(first).startswith("top-1 error by ten crops ")


def test_a_record_of_a_look_has_the_errors_of_the_run_and_its_own_place(where: Places, colours: Store) -> None:
    looked, _ = made(replace(APART_ROW, name="again"), where)
    task = Task(replace(APART_ROW, name="again"), BASE, 0)
    (need,) = task.needs
    trained = read_record(where.record(need))
    assert trained is not None and where.record(task).parent.name == "again" and not task.is_base
    assert looked["test"] == trained["test"] and looked["experiment"] == "again"
    assert looked["fingerprint"] != trained["fingerprint"] and looked["ranks"] == "" and looked["windows"] == []
    assert recorded(task, where, colours, place("cpu", "fp32")) == looked == look_at(task, where, RUNTIME)
    assert str(where.work) not in where.record(task).read_text()


def test_a_network_that_is_gone_or_another_is_refused(where: Places, colours: Store, tmp_path: Path) -> None:
    task = Task(replace(APART_ROW, name="elsewhere"), BASE, 0)
    with pytest.raises(DataError, match=r"is on record, but its network is not at .*; give the folder .* with --work"):
        look_at(task, replace(where, work=tmp_path), RUNTIME)
    (need,) = task.needs
    (tmp_path / need.file).parent.mkdir(parents=True)
    replace(where, work=tmp_path).run(need).symlink_to(where.run(Task(row(), BASE, 1)))
    with pytest.raises(DataError, match="is another one than"):
        look_at(task, replace(where, work=tmp_path), RUNTIME)


def test_a_network_that_diverged_is_not_looked_at_and_in_no_ensemble(where: Places, tmp_path: Path) -> None:
    apart = replace(where, records=tmp_path)
    for seed in (0, 1):
        (need,) = Task(replace(APART_ROW), BASE, seed).needs
        run = read_record(where.record(need))
        assert run is not None
        gone: RecordJson = {**run, "ended": "diverged", "test": None, "train": None, "windows": [(1.0, 0.9)]}
        write_record(apart.record(need), run if seed else gone)
    first, second = made(APART_ROW, apart)
    assert (
        first.get("numbers") == {}
        and first["windows"] == []
        and halves(first) is None
        and in_words(first) == "its network diverged"
    )
    assert halves(second) is not None
    first, second = made(TOGETHER_ROW, apart)
    assert first.get("counts") == {} and list(second.get("counts", {})) == ["1"]


def test_queries_are_spread_evenly_and_counts_have_digits() -> None:
    assert spread(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert spread(np.arange(10), 10).tolist() == list(range(10))
    assert digits_36(np.array([0, 9, 10, 35])) == "09AZ"
    with pytest.raises(DataError, match="A count of 36 has no digit"):
        digits_36(np.array([36]))


def test_every_look_of_the_table_runs_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PER_CLASS", {"train": 6, "test": 2})
    rows = [trial.in_small(each) for each in EXPERIMENTS.values() if each.of]
    assert {each.outcome for each in rows} == set(looking.LOOKS)
    store = trial.pictures(rows[0], tmp_path / "pictures.store")
    where = Places(tmp_path / "records", tmp_path / "runs", store.path, quick=True)
    for each in rows:
        seeds = None if each.outcome == TOGETHER else (0,)  # ensembles take two networks
        assert {record["arm"] for record in made(each, where, seeds)} == {arm.name for arm in each.all_arms}
        with pytest.raises(DataError, match="of a trial"):
            findings(each, where.records)
