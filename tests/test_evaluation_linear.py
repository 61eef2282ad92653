from pathlib import Path

import numpy as np
import pytest
from making import Colours, tiny_store

import alexnet.evaluation.linear as linear
from alexnet.data.preparation import Preparation
from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation.linear import PENALTIES, linear_error


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Colours so noisy that a linear classifier gets some wrong and some right."""
    counts = {"train": 42, "val": 18, "test": 30}
    return tiny_store(tmp_path_factory.mktemp("noisy") / "store", Colours(counts=counts, noise=1500.0))


def by_hand(store: Store, penalty: float, split: str) -> float:
    """The error by ridge regression in its primal form, the intercept a column of ones without penalty."""

    def pixels(split: str) -> np.ndarray:
        rows = [store.read(row).reshape(32, 8, 32, 8, 3).mean((1, 3)).ravel() / 255 for row in store.split(split)]
        return np.column_stack([np.stack(rows), np.ones(len(rows))])

    x, labels = pixels("train"), store.labels[store.split("train")]
    free = np.diag([*[penalty] * (x.shape[1] - 1), 0.0])
    weights = np.linalg.solve(x.T @ x + free, x.T @ np.eye(len(store.classes))[labels])
    return float(((pixels(split) @ weights).argmax(1) != store.labels[store.split(split)]).mean())


def test_it_is_ridge_regression_with_the_penalty_that_val_likes_best(noisy: Store) -> None:
    best = min(PENALTIES, key=lambda penalty: by_hand(noisy, penalty, "val"))
    assert 0 < by_hand(noisy, best, "test") < 1
    assert linear_error(noisy) == by_hand(noisy, best, "test")


def test_more_photographs_than_numbers_in_one_have_the_same_solution(
    noisy: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(store: Store, positions: np.ndarray) -> np.ndarray:
        return np.stack([store.read(int(row))[::64, ::128].ravel() / 255 for row in positions])  # 24 numbers each

    def by_hand(penalty: float) -> float:
        x, labels = coarse(noisy, noisy.split("train")), noisy.labels[noisy.split("train")]
        centre = x.mean(0)
        targets = np.eye(len(noisy.classes))[labels] - 1 / len(noisy.classes)
        gram = (x - centre) @ (x - centre).T + penalty * np.eye(len(x))
        scores = (coarse(noisy, noisy.split("test")) - centre) @ ((x - centre).T @ np.linalg.solve(gram, targets))
        return float((scores.argmax(1) != noisy.labels[noisy.split("test")]).mean())

    monkeypatch.setattr(linear, "_pixels", coarse)
    monkeypatch.setattr(linear, "PENALTIES", (1.0,))
    assert coarse(noisy, noisy.split("train")).shape == (42, 24)
    assert 0 < by_hand(1.0) < 1
    assert linear_error(noisy) == by_hand(1.0)


def test_too_many_photographs_are_refused(noisy: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "MOST", 41)
    with pytest.raises(ConfigError, match="has 42 training photographs; this linear classifier takes 41 at most"):
        linear_error(noisy)


def test_without_val_the_penalty_is_the_middle_one(tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store", Colours(counts={"train": 12, "test": 30}, noise=1000.0))
    errors = [by_hand(store, penalty, "test") for penalty in PENALTIES]
    assert len(set(errors)) > 1
    assert linear_error(store) == errors[2]


@pytest.mark.parametrize("side", [32, 110])
def test_it_sees_the_same_areas_at_any_side(tmp_path: Path, side: int) -> None:
    source = Colours(counts={"train": 12, "test": 60}, noise=1000.0)
    store = tiny_store(tmp_path / "store", source, Preparation(side=side))

    def areas(split: str) -> np.ndarray:
        """Pixels cut up until no edge of the 32 × 32 areas cuts any."""
        whole = [store.read(row).repeat(32, axis=0).repeat(32, axis=1) for row in store.split(split)]
        return np.stack([each.reshape(32, side, 32, side, 3).mean((1, 3)).ravel() / 255 for each in whole])

    x, labels = areas("train"), store.labels[store.split("train")]
    centre, penalty = x.mean(0), PENALTIES[2]
    gram = (x - centre) @ (x - centre).T + penalty * np.eye(len(x))
    targets = np.eye(len(store.classes))[labels] - 1 / len(store.classes)
    scores = (areas("test") - centre) @ ((x - centre).T @ np.linalg.solve(gram, targets))
    expected = float((scores.argmax(1) != store.labels[store.split("test")]).mean())
    assert 0 < expected < 1
    assert linear_error(store) == expected
