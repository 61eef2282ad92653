import pytest
from making import tiny_spec

from alexnet.data.loader import InputLayout
from alexnet.data.store import Store
from alexnet.experiments.bench import loading
from alexnet.experiments.bench.loading import bench_loader, load_all, loader_of
from alexnet.experiments.bench.timing import Rounds
from alexnet.model.device import place


def test_only_whole_batches_are_loaded(colours: Store) -> None:
    assert load_all(loader_of(colours, 32, 16, InputLayout(), workers=1)) == 32  # of 42 photographs


def test_a_pass_ends_after_so_many_photographs(colours: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PHOTOGRAPHS", 12)
    assert load_all(loader_of(colours, 32, 4, InputLayout(), workers=2)) == 12


def test_a_given_store_is_measured_with_one_thread_and_with_all(
    colours: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "cores", lambda: 3)
    rows = bench_loader(
        spec=tiny_spec(), batch_size=16, placement=place("cpu", "fp32"), rounds=Rounds(1, 0.0), data=colours.path
    )
    assert [row.what for row in rows] == ["raw store, 1 thread", "raw store, 3 threads"]


def test_without_a_store_both_encodings_are_made_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PHOTOGRAPHS", 4)
    monkeypatch.setattr(loading, "cores", lambda: 1)
    rows = bench_loader(spec=tiny_spec(), batch_size=2, placement=place("cpu", "fp32"), rounds=Rounds(1, 0.0))
    assert [row.what for row in rows] == ["raw store, 1 thread", "jpeg store, 1 thread"]
