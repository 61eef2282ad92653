from statistics import median

import pytest
from making import tiny_spec

from alexnet.experiments.bench import extracting
from alexnet.experiments.bench.extracting import bench_features, last_hidden
from alexnet.experiments.bench.timing import Rounds
from alexnet.model.device import place
from alexnet.model.variants import VARIANTS, variant


def test_features_are_measured_in_turns_with_evaluate(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr(extracting, "PHOTOGRAPHS", 6)
    done: list[tuple[str, int]] = []
    for name in ("evaluate", "write_features"):
        real = getattr(extracting, name)

        def noted(*words, name=name, real=real, **options):  # type: ignore[no-untyped-def]
            found = real(*words, **options)
            done.append((name, found.images if name == "evaluate" else len(found)))
            return found

        monkeypatch.setattr(extracting, name, noted)
    rows = bench_features(spec=tiny_spec(), placement=place("cpu", "fp32"), rounds=Rounds(2, 0.0))
    assert done == [("evaluate", 6), ("write_features", 6)] + [("evaluate", 6), ("write_features", 6)] * 2
    measured, written = rows
    assert [row.unit for row in rows] == ["images/s"] * 2
    assert written.what == "features of relu2"
    ratios = [one / other for one, other in zip(written.samples, measured.samples, strict=True)]
    assert written.facts == {"of_evaluate": median(ratios)}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_last_hidden_layer_is_relu7(name: str) -> None:
    assert last_hidden(variant(name)) == "relu7"
