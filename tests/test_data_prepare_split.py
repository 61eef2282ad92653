import numpy as np
import pytest
from fake_source import FakeSource

from alexnet.data.prepare import prepare
from alexnet.errors import DataError


def test_photographs_to_measure_on_alone_are_a_store_whose_statistics_are_of_all(tmp_path):
    store = prepare(FakeSource(9, splits=("val", "test")), tmp_path / "given", workers=1)
    assert store.splits == {"val": 5, "test": 4}
    assert store.statistics.images == 9
    with pytest.raises(DataError, match="no photographs in split 'train'; it has 'val' \\(5\\), 'test' \\(4\\)"):
        store.split("train")
    asked = prepare(FakeSource(9), tmp_path / "asked", split={"test": 1}, workers=1)
    assert asked.splits == {"test": 9}
    pixels = np.stack([asked.read(position) for position in range(9)])
    np.testing.assert_allclose(asked.statistics.mean_image, pixels.mean(0), atol=1e-4)  # fp32 rounding
    assert asked.split("all").tolist() == list(range(9))
