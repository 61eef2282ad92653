import io
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from making import tiny_model
from pictures import file_of, picture
from PIL import Image

from alexnet.data.loader import evaluation_batches
from alexnet.data.preparation import Preparation
from alexnet.data.store import Store
from alexnet.errors import WeightsError
from alexnet.evaluation import predict as prediction
from alexnet.evaluation.evaluate import mean_probabilities
from alexnet.evaluation.predict import Prediction, predict
from alexnet.model.device import place
from alexnet.weights.model_dir import Model

pytestmark = pytest.mark.usefixtures("one_thread")
FP32 = place("cpu", "fp32")
Content = Callable[[], bytes]


@pytest.fixture(scope="module")
def model(colours: Store) -> Model:
    return tiny_model(colours)


@pytest.fixture(scope="module")
def photographs(colours: Store) -> list[tuple[str, Content]]:
    """The test photographs of the store as PNG files, in order."""
    files = []
    for position in colours.split("test"):
        file = io.BytesIO()
        Image.fromarray(colours.read(int(position))).save(file, "png")
        files.append((f"{position}.png", file.getvalue))
    return files


def torn(reason: str) -> Content:
    def content() -> bytes:
        raise OSError(2, reason)

    return content


@pytest.mark.parametrize("crops", [1, 10])
def test_probabilities_are_those_of_evaluation(
    colours: Store, model: Model, photographs: list[tuple[str, Content]], crops: int
) -> None:
    (batch,) = evaluation_batches(
        colours,
        colours.split("test"),
        statistics=model.statistics,
        crop=32,
        crops=crops,
        images_per_batch=11,
    )
    expected = mean_probabilities(model.net, batch.images, crops, FP32)
    found = list(predict(model, photographs, top=6, crops=crops, placement=FP32))
    assert [each.image for each in found] == [name for name, _ in photographs]
    for each, row in zip(found, expected, strict=True):
        assert len(each.answers) == 6
        for answer in each.answers:
            # the same numbers, multiplied in batches of the same size
            assert answer.probability == pytest.approx(float(row[answer.index]), abs=1e-6)


@pytest.mark.parametrize("crops", [1, 10])
@pytest.mark.parametrize(
    "preparation",
    [
        Preparation(resize="squash", interpolation="bilinear", channels="BGR", mean_at="crop"),
        Preparation(interpolation="bilinear", std=(58.395, 57.12, 57.375)),
    ],
    ids=["Caffe's", "torchvision's"],
)
def test_photographs_are_prepared_as_the_model_asks_for(model: Model, preparation: Preparation, crops: int) -> None:
    photograph = picture(300, 400)
    asked = replace(model, preparation=preparation)
    box = None if preparation.resize == "squash" else (50, 0, 350, 300)
    image = Image.fromarray(photograph).resize((256, 256), Image.Resampling.BILINEAR, box=box)
    square = np.asarray(image, np.float64)
    if preparation.mean_at == "crop":
        square = square - model.statistics.mean_image
    views = []
    for mirrored, (top, left) in product([False, True], [(0, 0), (0, 224), (112, 112), (224, 0), (224, 224)]):
        view = square[top : top + 32, left : left + 32]
        view = view[:, ::-1] if mirrored else view
        if preparation.mean_at == "centre":
            view = view - model.statistics.mean_image[112:144, 112:144]
        view = view / (preparation.std or 1)
        views.append(view[..., ::-1] if preparation.channels == "BGR" else view)
    kept = np.stack(views if crops == 10 else views[2:3]).astype(np.float32)
    with torch.no_grad():
        expected = model.net(torch.from_numpy(kept).permute(0, 3, 1, 2)).double().softmax(1).mean(0)
    found, usual = (
        next(predict(each, [("it", lambda: file_of(photograph))], top=6, crops=crops, placement=FP32))
        for each in (asked, model)
    )
    for answer in found.answers:
        assert answer.probability == pytest.approx(float(expected[answer.index]), abs=1e-6)  # fp32 rounding
    assert {answer.index: answer.probability for answer in usual.answers} != pytest.approx(
        {answer.index: answer.probability for answer in found.answers}, abs=1e-4
    )


def test_answers_are_ranked_and_named(model: Model, photographs: list[tuple[str, Content]]) -> None:
    for each in predict(model, photographs, top=3, placement=FP32):
        shares = [answer.probability for answer in each.answers]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) == 3
        for answer in each.answers:
            category = model.categories[answer.index]
            assert (answer.key, answer.name) == (category.key, category.name)


def test_equal_probabilities_are_ranked_by_index(colours: Store, photographs: list[tuple[str, Content]]) -> None:
    model = tiny_model(colours)
    with torch.no_grad():
        model.net.get_parameter("fc3.weight").zero_()
        model.net.get_parameter("fc3.bias").zero_()
    (first,) = predict(model, photographs[:1], placement=FP32)
    assert [answer.index for answer in first.answers] == [0, 1, 2, 3, 4]


def test_more_answers_than_classes_are_all_classes(model: Model, photographs: list[tuple[str, Content]]) -> None:
    (first,) = predict(model, photographs[:1], top=99, placement=FP32)
    assert sorted(answer.index for answer in first.answers) == [0, 1, 2, 3, 4, 5]
    assert sum(answer.probability for answer in first.answers) == pytest.approx(1, abs=1e-6)


def test_unreadable_images_keep_their_place(model: Model, photographs: list[tuple[str, Content]]) -> None:
    images = [
        ("gone.jpg", torn("No such file or directory")),
        photographs[0],
        ("text.jpg", lambda: b"not an image"),
        ("empty.jpg", lambda: b""),
        photographs[1],
    ]
    found = list(predict(model, images, placement=FP32))
    assert [each.image for each in found] == [name for name, _ in images]
    assert [each.error is None for each in found] == [False, True, False, False, True]
    assert found[0].error == "cannot be read: No such file or directory"
    assert all(each.error and not each.answers for each in (found[0], found[2], found[3]))
    alone = [next(predict(model, [photograph], placement=FP32)) for photograph in photographs[:2]]
    for each, other in zip((found[1], found[4]), alone, strict=True):
        assert [answer.index for answer in each.answers] == [answer.index for answer in other.answers]


def test_nothing_but_unreadable_images_is_answered_too(model: Model) -> None:
    found = list(predict(model, [("a", torn("gone")), ("b", torn("gone"))], placement=FP32))
    assert [each.error for each in found] == ["cannot be read: gone"] * 2


def test_no_images_are_no_predictions(model: Model) -> None:
    assert list(predict(model, [], placement=FP32)) == []


@pytest.mark.parametrize("crops", [1, 10])
def test_answers_do_not_depend_on_how_images_are_batched(
    model: Model, photographs: list[tuple[str, Content]], monkeypatch: pytest.MonkeyPatch, crops: int
) -> None:
    images = [*photographs[:5], ("gone", torn("gone")), *photographs[5:]]
    whole = list(predict(model, images, crops=crops, placement=FP32))
    for size in (1, 5, 6, 7):
        monkeypatch.setattr(prediction, "VIEWS_PER_BATCH", size * crops)
        parts = list(predict(model, images, crops=crops, placement=FP32))
        assert [each.image for each in parts] == [each.image for each in whole]
        for one, other in zip(parts, whole, strict=True):
            assert [answer.index for answer in one.answers] == [answer.index for answer in other.answers]
            for mine, theirs in zip(one.answers, other.answers, strict=True):
                # matrix products may sum in another order for another number of rows
                assert mine.probability == pytest.approx(theirs.probability, abs=1e-6)


def test_images_are_read_as_answers_are_asked_for(
    model: Model, photographs: list[tuple[str, Content]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "VIEWS_PER_BATCH", 2)
    read: list[str] = []

    def noted(name: str, content: Content) -> Content:
        return lambda: (read.append(name), content())[1]

    answers = predict(model, ((name, noted(name, content)) for name, content in photographs), placement=FP32)
    next(answers)
    assert sorted(read) == sorted(name for name, _ in photographs[:2])
    answers.close()


def test_json_has_answers_or_an_error(model: Model, photographs: list[tuple[str, Content]], tmp_path: Path) -> None:
    found = [
        each.to_json() for each in predict(model, [photographs[0], ("gone.jpg", torn("gone"))], top=2, placement=FP32)
    ]
    good, bad = json.loads(json.dumps(found, allow_nan=False))
    assert good["image"] == photographs[0][0]
    assert [set(answer) for answer in good["predictions"]] == [{"class", "key", "index", "probability"}] * 2
    assert bad == {"image": "gone.jpg", "error": "cannot be read: gone"}


def test_an_empty_reason_is_still_an_error() -> None:
    assert Prediction("a", error="").to_json() == {"image": "a", "error": ""}


def test_a_network_that_answers_nan_is_a_sentence(colours: Store, photographs: list[tuple[str, Content]]) -> None:
    broken = tiny_model(colours)
    with torch.no_grad():
        broken.net.get_parameter("conv1.weight")[0] = float("nan")
    with pytest.raises(WeightsError, match="answers NaN"):
        list(predict(broken, photographs, placement=FP32))
