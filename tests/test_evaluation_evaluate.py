from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from making import CLASSES, Colours, tiny_model, tiny_spec, tiny_store
from teaming import together, values

from alexnet.data.augment import fixed_views
from alexnet.data.preparation import Preparation
from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.errors import ConfigError, DataError, WeightsError
from alexnet.evaluation import evaluate as evaluation
from alexnet.evaluation.evaluate import evaluate, mean_probabilities, other_pixels
from alexnet.evaluation.metrics import Tally
from alexnet.model.device import place
from alexnet.model.net import AlexNet
from alexnet.training.team import ALONE, Team
from alexnet.weights.model_dir import Model, save_model

pytestmark = pytest.mark.usefixtures("one_thread")
FP32 = place("cpu", "fp32")


def by_hand(model: Model, store: Store, split: str, crops: int) -> torch.Tensor:
    """Probabilities (N, K) of a split, one view of one photograph at a time, sliced and mirrored here."""
    side, crop = store.statistics.mean_image.shape[0], model.net.spec.input_size
    start = (side - crop) // 2
    mean = model.statistics.mean_image[start : start + crop, start : start + crop]
    views = fixed_views(crop, side, crops)
    rows = []
    for position in store.split(split):
        photograph = store.read(int(position)).astype(np.float64)
        total = torch.zeros(model.net.spec.classes, dtype=torch.float64)
        for top, left, mirrored in zip(views.top, views.left, views.mirrored, strict=True):
            view = photograph[top : top + crop, left : left + crop]
            image = (view[:, ::-1] if mirrored else view) - mean
            with torch.no_grad():
                logits = model.net(torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None])
            total += logits[0].double().softmax(0)
        rows.append(total / crops)
    return torch.stack(rows)


def tally_of(probabilities: torch.Tensor, labels: np.ndarray) -> Tally:
    tally = Tally(probabilities.shape[1])
    tally.add(probabilities, torch.from_numpy(labels))
    return tally


@pytest.fixture(scope="module")
def model(colours: Store) -> Model:
    return tiny_model(colours)


@pytest.mark.parametrize("crops", [1, 10])
@pytest.mark.parametrize("split", ["val", "test"])
def test_errors_are_those_of_one_view_at_a_time(colours: Store, model: Model, split: str, crops: int) -> None:
    expected = tally_of(by_hand(model, colours, split, crops), colours.labels[colours.split(split)])
    found = evaluate([model], colours, split=split, crops=crops, placement=FP32)
    assert torch.equal(found.confusion, expected.confusion)
    assert (found.top1_wrong, found.top5_wrong) == (expected.top1_wrong, expected.top5_wrong)
    assert 0 < found.top1_error < 1  # an untrained network that happens to be partly right
    # fp32 against float64 softmax: about 1e-7 a photograph
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)


@pytest.mark.parametrize("crops", [1, 10])
@pytest.mark.parametrize("side", [32, 45, 72])
def test_photographs_of_another_side_are_seen_one_view_at_a_time_too(tmp_path: Path, side: int, crops: int) -> None:
    store = tiny_store(tmp_path / "store", preparation=Preparation(side=side))
    model = tiny_model(store)  # for crops of 32 pixels
    expected = tally_of(by_hand(model, store, "test", crops), store.labels[store.split("test")])
    found = evaluate([model], store, split="test", crops=crops, placement=FP32)
    assert torch.equal(found.confusion, expected.confusion)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)  # fp32 rounding


def test_photographs_of_another_side_than_the_model_takes_are_refused(
    colours: Store, model: Model, tmp_path: Path
) -> None:
    small = tiny_store(tmp_path / "store", preparation=Preparation(side=72))
    for models in ([model], [tiny_model(small), model]):
        with pytest.raises(DataError) as error:
            evaluate(models, small, placement=FP32)
        assert str(error.value) == (
            f"The store {small.path} holds photographs of 72 × 72 pixels, but the model takes 256 × 256; prepare the "
            "photographs with --side 256."
        )
    squashed = replace(tiny_model(small), preparation=Preparation(resize="squash", side=72))
    with pytest.raises(DataError, match=r"takes 72 × 72; prepare the photographs with --resize squash --side 72\.$"):
        evaluate([squashed], colours, placement=FP32)
    assert other_pixels([squashed], colours) is None  # it is refused, so there is nothing to warn of
    assert "72 pixels" in str(other_pixels([squashed], small))


def test_each_model_is_fed_as_it_was_trained(colours: Store, model: Model) -> None:
    scaled = replace(model, preparation=Preparation(channels="BGR", std=(2.0, 4.0, 8.0)))
    # the same network for the usual input: conv1 takes R, G, B where the other takes B, G, R, and divides them itself
    net = AlexNet(model.net.spec)
    net.load_state_dict(model.net.state_dict())
    with torch.no_grad():
        weight = net.get_parameter("conv1.weight")
        weight.copy_(weight.flip(1) / torch.tensor([2.0, 4.0, 8.0])[:, None, None])
    plain = replace(model, net=net.eval())
    for crops in (1, 10):
        found, expected = (evaluate([each], colours, crops=crops, placement=FP32) for each in (scaled, plain))
        assert found.loss == pytest.approx(expected.loss, rel=1e-5)  # fp32 rounding
        assert found.loss != pytest.approx(evaluate([model], colours, crops=crops, placement=FP32).loss, rel=1e-3)


def test_differently_resized_photographs_are_told(colours: Store, model: Model) -> None:
    assert other_pixels([model, replace(model, preparation=Preparation(channels="BGR"))], colours) is None
    squashed = replace(model, preparation=Preparation(resize="squash", interpolation="bilinear"))
    sentence = other_pixels([model, squashed], colours)
    assert sentence is not None
    for part in ("shorter side to 256", "bicubic", "both sides to 256", "--resize squash --interpolation bilinear"):
        assert part in sentence


def test_ten_crops_see_more_than_the_centre(colours: Store, model: Model) -> None:
    one, ten = (evaluate([model], colours, crops=crops, placement=FP32).loss for crops in (1, 10))
    assert one != pytest.approx(ten, rel=1e-3)


def test_probabilities_are_averaged_not_logits(model: Model) -> None:
    views = torch.randn(20, 3, 32, 32) * 60
    found = mean_probabilities(model.net, views, 10, FP32)
    with torch.no_grad():
        logits = model.net(views)
    assert torch.allclose(found, logits.softmax(1).view(2, 10, 6).mean(1), atol=1e-6)  # fp32 rounding
    assert not torch.allclose(found, logits.view(2, 10, 6).mean(1).softmax(1), atol=1e-3)
    assert torch.allclose(found.sum(1), torch.ones(2), atol=1e-6)


@pytest.mark.parametrize("crops", [1, 10])
def test_errors_do_not_depend_on_how_photographs_are_batched(
    colours: Store, model: Model, monkeypatch: pytest.MonkeyPatch, crops: int
) -> None:
    whole = evaluate([model], colours, crops=crops, placement=FP32)
    for images in (1, 5, 11, 12, 13):  # of 12 photographs
        monkeypatch.setattr(evaluation, "VIEWS_PER_BATCH", images * crops)
        parts = evaluate([model], colours, crops=crops, placement=FP32)
        assert torch.equal(parts.confusion, whole.confusion)
        # matrix products may sum in another order for another number of rows
        assert parts.loss == pytest.approx(whole.loss, rel=1e-5)


def test_an_ensemble_averages_probabilities(colours: Store, model: Model) -> None:
    other = tiny_model(colours, seed=1)
    labels = colours.labels[colours.split("test")]
    both = (by_hand(model, colours, "test", 1) + by_hand(other, colours, "test", 1)) / 2
    found = evaluate([model, other], colours, split="test", placement=FP32)
    assert torch.equal(found.confusion, tally_of(both, labels).confusion)
    assert found.loss == pytest.approx(tally_of(both, labels).loss, rel=1e-5)  # fp32 against float64
    alone = [evaluate([each], colours, split="test", placement=FP32).loss for each in (model, other)]
    assert all(found.loss != pytest.approx(loss, rel=1e-3) for loss in alone)


def test_the_models_of_an_ensemble_may_want_different_inputs(colours: Store, model: Model) -> None:
    spec = replace(tiny_spec(), input_size=48)
    statistics = replace(model.statistics, mean_image=model.statistics.mean_image + 9)
    other = replace(tiny_model(colours, spec=spec, seed=1), statistics=statistics)
    both = (by_hand(model, colours, "val", 1) + by_hand(other, colours, "val", 1)) / 2
    found = evaluate([model, other], colours, placement=FP32)
    assert found.loss == pytest.approx(tally_of(both, colours.labels[colours.split("val")]).loss, rel=1e-5)


@pytest.fixture(scope="module")
def reordered(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The same photographs under the same keys, in a store that numbers its classes the other way round."""
    path = tmp_path_factory.mktemp("reordered") / "store"
    return tiny_store(path, Colours({"train": 6, "val": 12}, classes=CLASSES[::-1]))


def test_labels_are_matched_by_key_not_by_number(reordered: Store, model: Model) -> None:
    positions = reordered.split("val")
    assert [category.key for category in reordered.classes] == list(CLASSES[::-1])
    labels = 5 - reordered.labels[positions]
    expected = tally_of(by_hand(model, reordered, "val", 1), labels)
    assert torch.equal(evaluate([model], reordered, placement=FP32).confusion, expected.confusion)


def test_readable_names_do_not_matter(colours: Store, model: Model) -> None:
    renamed = replace(model, categories=tuple(Category(each.key, "?") for each in model.categories))
    found = evaluate([renamed], colours, placement=FP32)
    assert torch.equal(found.confusion, evaluate([model], colours, placement=FP32).confusion)


def test_other_classes_than_the_models_are_a_sentence(colours: Store, model: Model) -> None:
    other = replace(model, categories=(Category("cat", "cat"), *model.categories[1:]))
    with pytest.raises(DataError, match=r"knows 6 classes and .* has 6, of which it does not know amber\. Give"):
        evaluate([other], colours, placement=FP32)


def test_models_of_different_classes_cannot_be_averaged(colours: Store, model: Model) -> None:
    other = replace(model, categories=model.categories[::-1])
    with pytest.raises(DataError, match="cannot be averaged"):
        evaluate([model, other], colours, placement=FP32)


def test_a_missing_split_and_a_wrong_number_of_crops_are_sentences(model: Model, reordered: Store) -> None:
    with pytest.raises(DataError, match=r"no photographs in split 'test'; it has 'train' \(6\), 'val' \(12\)"):
        evaluate([model], reordered, split="test", placement=FP32)
    with pytest.raises(ConfigError, match="1 crop or 10 crops, not 5"):
        evaluate([model], reordered, crops=5, placement=FP32)


def test_a_network_that_answers_nan_is_a_sentence(colours: Store) -> None:
    broken = tiny_model(colours)
    with torch.no_grad():
        broken.net.get_parameter("fc3.bias")[2] = float("nan")
    with pytest.raises(WeightsError, match=r"'tiny' answers NaN instead of probabilities"):
        evaluate([broken], colours, placement=FP32)


def test_dropout_is_off(colours: Store, model: Model) -> None:
    model.net.train()
    first, second = (evaluate([model], colours, placement=FP32).loss for _ in range(2))
    assert first == second
    model.net.eval()


def test_bf16_differs_by_its_rounding_only_and_leaves_the_model_alone(colours: Store, model: Model) -> None:
    before = {name: tensor.clone() for name, tensor in model.net.state_dict().items()}
    half = evaluate([model], colours, placement=place("cpu", "bf16"))
    full = evaluate([model], colours, placement=FP32)
    assert half.loss != full.loss
    # bf16 keeps 8 bits: a few per cent of a loss near 2
    assert half.loss == pytest.approx(full.loss, rel=0.05)
    for name, tensor in model.net.state_dict().items():
        assert tensor.dtype is torch.float32
        assert torch.equal(tensor, before[name])


def test_progress_counts_photographs(colours: Store, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "VIEWS_PER_BATCH", 50)
    told: list[tuple[int, int]] = []
    evaluate([model], colours, crops=10, placement=FP32, progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 12), (10, 12), (12, 12)]


def test_a_net_alone_can_be_measured_without_a_directory(colours: Store) -> None:
    model = Model(AlexNet(tiny_spec()), colours.classes, colours.statistics)
    assert evaluate([model], colours, placement=FP32).images == 12


def test_what_is_no_model_is_a_sentence(colours: Store, model: Model) -> None:
    for given in (model.net, [model, model.net]):
        with pytest.raises(ConfigError, match=r"A model is an alexnet.Model or the path of one, not AlexNet"):
            evaluate(given, colours, placement=FP32)  # type: ignore[arg-type]


def test_an_input_larger_than_the_photographs_is_a_sentence(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours, spec=replace(tiny_spec(), input_size=257))
    with pytest.raises(ConfigError, match=r"crop \(=257\) must be from 1 to 256.* with --side 257 or more\.$"):
        evaluate([model], colours, placement=FP32)


def test_paths_do_as_well_and_the_model_stays_as_it_is(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    save_model(model, tmp_path / "run" / "model")
    model.net.train()
    kept = [(parameter.data_ptr(), parameter.stride()) for parameter in model.net.parameters()]
    placement = place("cpu", "fp32")
    expected = evaluate([model, model], colours, placement=placement).to_json()
    assert model.net.training
    assert kept == [(parameter.data_ptr(), parameter.stride()) for parameter in model.net.parameters()]
    for models in (tmp_path / "run", str(tmp_path / "run" / "model"), [model, str(tmp_path / "run")]):
        assert evaluate(models, str(colours.path), placement=placement).to_json() == expected
    assert evaluate(model, colours).images == expected["images"]


def count_with(team: Team, store: Path, images: int) -> tuple[int, dict[str, Any]]:
    evaluation.VIEWS_PER_BATCH = images * 10
    opened = Store.open(store)
    reads: list[int] = []
    read = opened.read
    opened.read = lambda position: (reads.append(position), read(position))[1]  # type: ignore[method-assign, func-returns-value]
    tally = evaluate([tiny_model(opened)], opened, split="test", crops=10, placement=FP32, sharers=team.everyone)
    return len(reads), tally.to_json()


@pytest.mark.parametrize("size", [2, 4])
def test_processes_share_out_the_photographs_and_count_each_once(
    colours: Store, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(evaluation, "VIEWS_PER_BATCH", 20)
    alone = count_with(ALONE, colours.path, 2)
    assert alone[0] == 11
    ends = values(together(size, count_with, colours.path, 2))
    assert sum(reads for reads, _ in ends) == 11
    assert [reads for reads, _ in ends] == ([6, 5] if size == 2 else [4, 3, 2, 2])
    assert all(counts == alone[1] for _, counts in ends)
