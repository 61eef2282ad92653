"""What became of each photograph, against the tally and an evaluation of one photograph at a time."""

import numpy as np
import pytest
import torch
from making import tiny_model

from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.outcomes import outcomes
from alexnet.model.device import place

FP32 = place("cpu", "fp32")


@pytest.mark.parametrize("split", ["val", "test"])
def test_ranks_add_up_to_the_tally_of_each_number_of_crops(colours: Store, split: str) -> None:
    models = [tiny_model(colours, seed=seed) for seed in (1, 2)]
    found = outcomes(models, colours, split=split, placement=FP32)
    positions = colours.split(split)
    assert found.paths == tuple(colours.paths[position] for position in positions)
    assert set(found.ranks) == set(found.tallies) == {1, 10}
    for crops, ranks in found.ranks.items():
        assert ranks.shape == positions.shape
        tally = evaluate(models, colours, split=split, crops=crops, placement=FP32)
        assert found.tallies[crops].to_json() == tally.to_json()
        assert ((ranks >= 1).sum(), (ranks >= 5).sum()) == (tally.top1_wrong, tally.top5_wrong)
        right = np.bincount(colours.labels[positions[ranks == 0]], minlength=len(colours.classes))
        assert torch.equal(torch.from_numpy(right), tally.confusion.diagonal())
    assert (found.ranks[1] != found.ranks[10]).any(), "else the two numbers of crops could be one"


def test_a_split_that_is_not_there_is_refused(colours: Store) -> None:
    with pytest.raises(DataError, match="has no photographs in split 'nowhere'"):
        outcomes(tiny_model(colours), colours, split="nowhere", placement=FP32)
