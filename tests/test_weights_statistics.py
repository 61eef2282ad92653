from dataclasses import fields

import numpy as np
import pytest
import torch

from alexnet.data.store import Store
from alexnet.weights.statistics_tensors import from_tensors, to_tensors


def test_statistics_come_back_bit_for_bit(colours: Store) -> None:
    back = from_tensors(to_tensors(colours.statistics))
    for each in fields(back):
        before, after = (getattr(statistics, each.name) for statistics in (colours.statistics, back))
        assert type(before) is type(after)
        assert np.array_equal(before, after), each.name
        assert np.asarray(before).dtype == np.asarray(after).dtype


def test_tensors_of_something_else_are_refused(colours: Store) -> None:
    tensors = to_tensors(colours.statistics)
    with pytest.raises(KeyError):
        from_tensors({name: tensor for name, tensor in tensors.items() if name != "images"})
    with pytest.raises(TypeError):
        from_tensors({**tensors, "median_image": torch.zeros(3)})
