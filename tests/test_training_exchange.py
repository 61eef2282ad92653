from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from making import tiny_recipe
from stepping import Bench, equal
from teaming import together, values

from alexnet.data.store import Store
from alexnet.model.device import place, working_copy
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec
from alexnet.model.variants import variant
from alexnet.training import exchange, loop
from alexnet.training.circle import Circle
from alexnet.training.events import StepEnd
from alexnet.training.exchange import SharedSGD, TreeSum
from alexnet.training.recipe import LayerRate, Recipe
from alexnet.training.schedule import Rate
from alexnet.training.team import Team

pytestmark = pytest.mark.usefixtures("one_thread")


def train(team: Team, store: Path, out: Path, recipe: Recipe, dtype: str) -> dict[str, Any]:
    loop.VIEWS_PER_BATCH = 5  # of 12 photographs: more batches than one, the last one smaller
    made = Bench(Store.open(store), out / f"{team.everyone.rank}", recipe, dtype=dtype, team=team)
    weights = made.fit()
    velocity = made.trainer.optimiser.velocity
    losses = [event.loss for event in made.told if isinstance(event, StepEnd)]
    vals = [(end.val_loss, end.val_top1_error, end.val_top5_error) for end in made.ends]
    sent = team.replicas.sent
    return {"weights": weights, "velocity": velocity, "losses": losses, "val": vals, "sent": sent}


RECIPE = tiny_recipe(
    epochs=2, batch_size=13, accumulate=4, mixup=0.4
)  # batches of 13, 13, 13, 3: the last part is empty


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_one_two_and_four_processes_give_the_same_bits(
    colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    monkeypatch.setattr(loop, "VIEWS_PER_BATCH", 5)
    alone = train(Team(), colours.path, tmp_path / "alone", RECIPE, dtype)
    for size in (2, 4):
        found = values(together(size, train, colours.path, tmp_path / str(size), RECIPE, dtype))
        for each in found:
            assert equal(each["weights"], alone["weights"])
            assert equal(each["velocity"], alone["velocity"])
            assert each["losses"] == alone["losses"]
            assert each["val"] == alone["val"]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_flat_buckets_change_no_bit(
    colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    rates = (LayerRate("conv1", 1, 0.0), LayerRate("conv1", 2, 0.001), LayerRate("fc2", 2, 0.0))
    recipe = tiny_recipe(layer_rates=rates, bias_decay=False, bias_rate=2.0)
    plain = Bench(colours, tmp_path / "plain", recipe, dtype=dtype)
    expected = plain.fit()

    def flat(recipe: Recipe, net: Any, working: Any, team: Team) -> SharedSGD:
        how = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay, "bias_decay": recipe.bias_decay}
        return SharedSGD(net, working, **how, circle=Circle())  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_optimiser", flat)
    monkeypatch.setattr(exchange, "BUCKET", 2000)  # bytes: several buckets
    made = Bench(colours, tmp_path / "flat", recipe, dtype=dtype)
    assert equal(made.fit(), expected)
    assert len(made.trainer.optimiser.buckets) == 2  # type: ignore[union-attr]
    assert equal(made.trainer.optimiser.velocity, plain.trainer.optimiser.velocity)


def test_a_tree_sum_is_the_same_however_its_leaves_are_shared_out() -> None:
    leaves = [torch.randn(1000, generator=torch.Generator().manual_seed(k)).bfloat16() for k in range(12)]

    def total(terms: list[torch.Tensor]) -> torch.Tensor:
        tree = TreeSum()
        for term in terms:
            tree.push(term.clone())
        return tree.total()

    whole = total(leaves)
    for each in (1, 2, 4):
        assert torch.equal(total([total(leaves[k : k + each]) for k in range(0, 12, each)]), whole)
    tree = TreeSum()
    for height, first in ((1, 0), (1, 2), (2, 4), (0, 8), (0, 9), (1, 10)):
        tree.push(total(leaves[first : first + 2**height]), height)
    assert torch.equal(tree.total(), whole), "sums of neighbours are nodes of the tree"
    # one after the other is another sum, and so are branches that are not the tree's
    assert not torch.equal(sum(leaves[1:], leaves[0]), whole)
    assert not torch.equal(total([total(leaves[k : k + 3]) for k in range(0, 12, 3)]), whole)


def count_bytes(team: Team, spec: Spec) -> tuple[int, int, int]:
    net = AlexNet(spec, generator=torch.Generator().manual_seed(0))
    working = working_copy(net, place("cpu", "bf16"))
    optimiser = SharedSGD(net, working, momentum=0.9, weight_decay=0.0, bias_decay=True, circle=team.everyone)
    optimiser.zero_grad()
    optimiser.begin_part(last=True)
    optimiser.end_part()
    optimiser.step(lambda layer: Rate(0.1, 0.1))
    return team.everyone.sent, optimiser.bytes_a_step, sum(tensor.numel() for tensor in net.parameters())


@pytest.mark.parametrize("size", [2, 4])
def test_the_bytes_sent_are_those_promised(size: int) -> None:
    spec = replace(variant("paper"), input_size=67)  # 24 million parameters
    for sent, promised, parameters in values(together(size, count_bytes, spec)):
        assert sent == promised
        assert 1 <= promised / (2 * (size - 1) / size * 2 * parameters) < 1.01


STILL = tiny_recipe(epochs=1, accumulate=2, layer_rates=(LayerRate("fc2", 0, 0.0),))


def learn_but_one_layer(team: Team, store: Path, out: Path) -> tuple[list[bool], dict[str, torch.Tensor]]:
    exchange.BUCKET = 1  # a bucket for each tensor
    made = Bench(Store.open(store), out / str(team.everyone.rank), STILL, team=team)
    sent: list[bool] = []
    scatter = team.everyone.scatter

    def count(pieces: torch.Tensor) -> Any:
        sent.append(len(pieces) > 2 * 1024)
        return scatter(pieces)

    team.everyone.scatter = count  # type: ignore[method-assign]
    return sent, made.fit()


def test_layers_that_stand_still_are_not_sent(colours: Store, tmp_path: Path) -> None:
    expected = Bench(colours, tmp_path / "alone", STILL).fit()
    for sent, weights in values(together(2, learn_but_one_layer, colours.path, tmp_path)):
        assert equal(weights, expected)
        assert sent == [False] * 6 * 4  # steps; weights and biases of conv1 and fc3, without the large fc2
