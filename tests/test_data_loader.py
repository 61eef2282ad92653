"""Batches against the views they should hold; the same whatever the workers and wherever an epoch is entered."""

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.data.augment import Augmentation, centre_mean, epoch_order, fixed_views, random_views, view_means
from alexnet.data.loader import InputLayout, TrainingLoader, assemble, evaluation_batches, view_batch
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.prepare import prepare
from alexnet.data.resize import resize_with_pillow
from alexnet.data.source import Category, Example, Prepared
from alexnet.data.store import Store
from alexnet.kernels import space_to_depth


class Noise:
    """Pictures of noise, of which every pixel tells them apart."""

    name = "noise"
    categories = (Category("a", "a"), Category("b", "b"))
    examples = tuple(Example(f"{number}", number % 2, "train") for number in range(23))
    identity = "noise"
    default_split = None

    def load(self, example: Example, preparation: Preparation = DEFAULT) -> Prepared:
        rng = np.random.default_rng(int(example.path))
        return Prepared(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))


@pytest.fixture(scope="module", params=["raw", "jpeg"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return prepare(Noise(), tmp_path_factory.mktemp("loader") / "noise.store", encoding=request.param, workers=1)


def loader(store: Store, **changes) -> TrainingLoader:
    settings = {
        "statistics": store.statistics,
        "batch_size": 5,
        "augmentation": Augmentation(crop=64),
        "seed": 3,
        **changes,
    }
    return TrainingLoader(store, store.split("train"), **settings)


def test_a_batch_holds_the_views_of_its_positions(store: Store) -> None:
    batches = list(loader(store).epoch(2))
    assert [len(batch.labels) for batch in batches] == [5, 5, 5, 5, 3], "the last, smaller batch is kept"
    order = epoch_order(23, seed=3, epoch=2)
    views = random_views(23, Augmentation(crop=64), store.statistics, seed=3, epoch=2)
    mean = centre_mean(store.statistics, 64)
    images = torch.cat([batch.images for batch in batches])
    expected = assemble([store.read(int(position)) for position in order], views, mean)
    assert torch.equal(images, expected)
    assert torch.cat([batch.labels for batch in batches]).tolist() == store.labels[order].tolist()
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("workers", [2, 7])
def test_batches_do_not_depend_on_workers(store: Store, workers: int) -> None:
    for one, many in zip(loader(store).epoch(0), loader(store, workers=workers).epoch(0), strict=True):
        assert torch.equal(one.images, many.images)
        assert torch.equal(one.labels, many.labels)


@pytest.mark.parametrize("start", [1, 4, 5])
def test_an_epoch_entered_later_goes_on_with_the_same_batches(store: Store, start: int) -> None:
    whole = list(loader(store).epoch(1))[start:]
    rest = list(loader(store).epoch(1, start=start))
    assert len(rest) == len(whole) == 5 - start
    for one, other in zip(whole, rest, strict=True):
        assert torch.equal(one.images, other.images)


def test_an_epoch_that_is_left_early_can_be_entered_again(store: Store) -> None:
    each = loader(store, workers=2)
    batches = each.epoch(0)
    first = next(batches)
    batches.close()
    assert torch.equal(next(each.epoch(0)).images, first.images)


def test_epochs_have_orders_of_their_own_unless_told_otherwise(store: Store) -> None:
    def labels(each: TrainingLoader, epoch: int) -> list[int]:
        return torch.cat([batch.labels for batch in each.epoch(epoch)]).tolist()

    assert labels(loader(store), 0) != labels(loader(store), 1)
    fixed = loader(store, reshuffle=False)
    assert labels(fixed, 0) == labels(fixed, 1)
    assert not torch.equal(next(fixed.epoch(0)).images, next(fixed.epoch(1)).images), "crops still differ"


def test_colour_noise_is_divided_by_only_while_it_is_on(store: Store) -> None:
    each = loader(store, augmentation=Augmentation(crop=64, colour_noise=0.1, noise_divisor=1.1))
    quiet = next(each.epoch(0, colour_noise=False)).images
    loud = next(each.epoch(0)).images
    shift = (loud * 1.1 - quiet).flatten(2)  # one RGB offset an image
    assert float(shift.std(2).max()) < 1e-3
    assert float(shift.abs().max()) > 1


@pytest.mark.parametrize("crops", [1, 10])
def test_evaluation_sees_every_photograph_once_in_all_its_views(store: Store, crops: int) -> None:
    positions = store.split("train")
    batches = list(
        evaluation_batches(store, positions, statistics=store.statistics, crop=64, crops=crops, images_per_batch=4)
    )
    assert torch.cat([batch.labels for batch in batches]).tolist() == store.labels[positions].tolist()
    images = torch.cat([batch.images for batch in batches]).unflatten(0, (-1, crops))
    assert len(images) == 23
    mean, views = centre_mean(store.statistics, 64), fixed_views(64, 256, crops)
    for photograph in (0, 11, 22):
        expected = assemble([store.read(photograph)] * crops, views, mean)
        assert torch.equal(images[photograph], expected)


def naive(photograph, top, left, mirrored, shift, mean, scale):
    crop = mean.shape[0]
    out = np.empty((3, crop, crop))
    for row in range(crop):
        for column in range(crop):
            source = left + (crop - 1 - column if mirrored else column)
            out[:, row, column] = (photograph[top + row, source].astype(np.float64) - mean[row, column] + shift) * scale
    return out


@pytest.mark.parametrize("scale", [1.0, 1 / 1.1])
def test_assembled_views_are_the_pixels_of_a_plain_loop(store: Store, scale: float) -> None:
    photographs = [store.read(position) for position in range(4)]
    views = random_views(4, Augmentation(crop=30), store.statistics, seed=3, epoch=5)
    assert {True, False} == set(views.mirrored.tolist()), "both kinds are tried"
    mean = centre_mean(store.statistics, 30)
    batch = assemble(photographs, views, mean, scale=scale)
    assert batch.dtype == torch.float32
    for row in range(4):
        where = views.top[row], views.left[row], views.mirrored[row], views.shift[row]
        # three float32 roundings of numbers up to some hundreds
        np.testing.assert_allclose(batch[row], naive(photographs[row], *where, mean, scale), atol=1e-4, rtol=0)


def test_the_centre_of_the_mean_is_subtracted_wherever_the_view_lies(store: Store) -> None:
    black = np.zeros((256, 256, 3), dtype=np.uint8)
    mean = centre_mean(store.statistics, 224)
    for view in assemble([black] * 10, fixed_views(224, 256, 10), mean):
        np.testing.assert_array_equal(view.permute(1, 2, 0), -mean)


def test_the_form_changes_the_layout_and_not_the_numbers(store: Store) -> None:
    plain = next(loader(store).epoch(0)).images  # (5, 3, 64, 64)
    folded = next(loader(store, layout=InputLayout(block=4, padding=3)).epoch(0)).images  # (5, 48, 17, 17)
    blocks = torch.nn.functional.pad(plain, (0, 4, 0, 4)).unflatten(3, (17, 4)).unflatten(2, (17, 4))
    assert torch.equal(folded, blocks.permute(0, 3, 5, 1, 2, 4).flatten(1, 3))
    assert torch.equal(next(loader(store, layout=InputLayout(torch.bfloat16)).epoch(0)).images, plain.bfloat16())


PREPARATIONS = [
    Preparation(mean_at="crop"),
    Preparation(channels="BGR"),
    Preparation(std=(58.395, 57.12, 57.375)),
    Preparation(channels="BGR", std=(58.395, 57.12, 50.0), mean_at="crop"),
]


@pytest.mark.parametrize("crops", [1, 10])
@pytest.mark.parametrize("preparation", PREPARATIONS, ids=str)
def test_views_are_prepared_as_a_plain_loop_does(store: Store, preparation: Preparation, crops: int) -> None:
    photographs = [store.read(position) for position in range(2)]
    views = fixed_views(64, 256, crops)
    means = view_means(store.statistics, 64, views, preparation)
    found = view_batch(photographs, views, means, preparation=preparation).unflatten(0, (2, crops))
    plain = view_batch(photographs, views, centre_mean(store.statistics, 64)).unflatten(0, (2, crops))
    assert (crops == 1 and preparation == PREPARATIONS[0]) or not torch.equal(found, plain), "the preparation matters"
    for number, photograph in enumerate(photographs):
        for view in range(crops):
            top, left, mirrored = (int(values[view]) for values in (views.top, views.left, views.mirrored))
            where = (slice(top, top + 64), slice(left, left + 64))
            corner = where if preparation.mean_at == "crop" else (slice(96, 160), slice(96, 160))
            mean = store.statistics.mean_image[corner].astype(np.float64)
            if mirrored and preparation.mean_at == "crop":
                mean = mean[:, ::-1]
            expected = photograph[where][:, ::-1] - mean if mirrored else photograph[where] - mean
            if preparation.std:
                expected = expected / preparation.std
            if preparation.channels == "BGR":
                expected = expected[..., ::-1]
            # two float32 roundings of numbers up to 255
            np.testing.assert_allclose(found[number, view].permute(1, 2, 0), expected, atol=4e-5, rtol=0)


@pytest.mark.parametrize("preparation", PREPARATIONS, ids=str)
def test_other_preparations_come_in_every_form_too(store: Store, preparation: Preparation) -> None:
    photographs = [store.read(position) for position in range(2)]
    views = fixed_views(64, 256, 10)
    means = view_means(store.statistics, 64, views, preparation)
    plain = view_batch(photographs, views, means, preparation=preparation)
    folded = view_batch(photographs, views, means, InputLayout(torch.bfloat16, block=4, padding=3), preparation)
    assert torch.equal(folded, space_to_depth(plain, 4, 3).bfloat16())
    for images in (plain, folded):
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_the_way_around_the_fast_path_gives_its_numbers(store: Store) -> None:
    photographs = [store.read(position) for position in range(3)]
    views, mean = fixed_views(64, 256, 10), centre_mean(store.statistics, 64)
    for layout in (InputLayout(), InputLayout(block=4, padding=3), InputLayout(torch.bfloat16, 4, 3)):
        fast = view_batch(photographs, views, mean, layout)
        assert torch.equal(view_batch(photographs, views, np.stack([mean] * 10), layout), fast)


def test_resized_crops_are_pillow_s_then_mirrored_and_recoloured(store: Store) -> None:
    augmentation = Augmentation(crop=64, least_area=0.3, aspect=1.5)
    views = random_views(23, augmentation, store.statistics, seed=3, epoch=2)
    mean, order = centre_mean(store.statistics, 64), epoch_order(23, seed=3, epoch=2)
    images = torch.cat([batch.images for batch in loader(store, augmentation=augmentation).epoch(2)])
    assert views.parts is not None
    for number, position in enumerate(order):
        whole = Image.fromarray(store.read(int(position)))
        part = resize_with_pillow(whole, 64, 64, "bilinear", tuple(views.parts[number].tolist()))
        expected = (part[:, ::-1] if views.mirrored[number] else part) - mean + views.shift[number]
        np.testing.assert_array_equal(images[number].permute(1, 2, 0).numpy(), expected)
