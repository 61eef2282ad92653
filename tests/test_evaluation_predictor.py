import io
import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from making import tiny_model, tiny_store
from pictures import ORIENTATION, file_of, picture
from PIL import Image

from alexnet.data.images import resized
from alexnet.data.inputs import ImageInput
from alexnet.data.loader import evaluation_batches
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.store import Store
from alexnet.errors import ConfigError, ImageError, WeightsError
from alexnet.evaluation import predictor as module
from alexnet.evaluation.answers import Prediction
from alexnet.evaluation.evaluate import evaluate, mean_probabilities
from alexnet.evaluation.predictor import Predictor, predict
from alexnet.model.device import place
from alexnet.weights.model_dir import Model, save_model

pytestmark = pytest.mark.usefixtures("one_thread")
FP32 = place("cpu", "fp32")
Named = tuple[str, ImageInput]


@pytest.fixture(scope="module")
def model(colours: Store) -> Model:
    return tiny_model(colours)


@pytest.fixture(scope="module")
def photographs(colours: Store) -> list[Named]:
    """The test photographs of the store as PNG files, in order."""
    files = []
    for position in colours.split("test"):
        file = io.BytesIO()
        Image.fromarray(colours.read(int(position))).save(file, "png")
        files.append((f"{position}.png", file.getvalue()))
    return files


class Torn:
    """A file that cannot be read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def read(self, size: int, /) -> bytes:
        raise OSError(2, self.reason)


def stream(model: Model, images: Iterable[Named], *, top: int = 5, crops: int = 1) -> Iterator[Prediction]:
    return Predictor(model, placement=FP32).stream(images, top, crops)


@pytest.mark.parametrize("crops", [1, 10])
def test_probabilities_are_those_of_evaluation(
    colours: Store, model: Model, photographs: list[Named], crops: int
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
    found = list(stream(model, photographs, top=6, crops=crops))
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
    found, usual = (next(stream(each, [("it", file_of(photograph))], top=6, crops=crops)) for each in (asked, model))
    for answer in found.answers:
        assert answer.probability == pytest.approx(float(expected[answer.index]), abs=1e-6)  # fp32 rounding
    assert {answer.index: answer.probability for answer in usual.answers} != pytest.approx(
        {answer.index: answer.probability for answer in found.answers}, abs=1e-4
    )


def test_answers_are_ranked_and_named(model: Model, photographs: list[Named]) -> None:
    for each in stream(model, photographs, top=3):
        shares = [answer.probability for answer in each.answers]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) == 3
        for answer in each.answers:
            category = model.categories[answer.index]
            assert (answer.key, answer.name) == (category.key, category.name)


def test_equal_probabilities_are_ranked_by_index(colours: Store, photographs: list[Named]) -> None:
    model = tiny_model(colours)
    with torch.no_grad():
        model.net.get_parameter("fc3.weight").zero_()
        model.net.get_parameter("fc3.bias").zero_()
    (first,) = stream(model, photographs[:1])
    assert [answer.index for answer in first.answers] == [0, 1, 2, 3, 4]


def test_more_answers_than_classes_are_all_classes(model: Model, photographs: list[Named]) -> None:
    (first,) = stream(model, photographs[:1], top=99)
    assert sorted(answer.index for answer in first.answers) == [0, 1, 2, 3, 4, 5]
    assert sum(answer.probability for answer in first.answers) == pytest.approx(1, abs=1e-6)


def test_unreadable_images_keep_their_place(model: Model, photographs: list[Named]) -> None:
    images = [
        ("gone.jpg", Torn("No such file or directory")),
        photographs[0],
        ("text.jpg", b"not an image"),
        ("empty.jpg", b""),
        photographs[1],
    ]
    found = list(stream(model, images))
    assert [each.image for each in found] == [name for name, _ in images]
    assert [each.error is None for each in found] == [False, True, False, False, True]
    assert found[0].error == "cannot be read: No such file or directory"
    assert all(each.error and not each.answers for each in (found[0], found[2], found[3]))
    alone = [next(stream(model, [photograph])) for photograph in photographs[:2]]
    for each, other in zip((found[1], found[4]), alone, strict=True):
        assert [answer.index for answer in each.answers] == [answer.index for answer in other.answers]


def test_nothing_but_unreadable_images_is_answered_too(model: Model) -> None:
    found = list(stream(model, [("a", Torn("gone")), ("b", Torn("gone"))]))
    assert [each.error for each in found] == ["cannot be read: gone"] * 2


def test_no_images_are_no_predictions(model: Model) -> None:
    assert list(stream(model, [])) == []


@pytest.mark.parametrize("crops", [1, 10])
def test_answers_do_not_depend_on_how_images_are_batched(
    model: Model, photographs: list[Named], monkeypatch: pytest.MonkeyPatch, crops: int
) -> None:
    images = [*photographs[:5], ("gone", Torn("gone")), *photographs[5:]]
    whole = list(stream(model, images, crops=crops))
    for size in (1, 5, 6, 7):
        monkeypatch.setattr(module, "VIEWS_PER_BATCH", size * crops)
        parts = list(stream(model, images, crops=crops))
        assert [each.image for each in parts] == [each.image for each in whole]
        for one, other in zip(parts, whole, strict=True):
            assert [answer.index for answer in one.answers] == [answer.index for answer in other.answers]
            for mine, theirs in zip(one.answers, other.answers, strict=True):
                # matrix products may sum in another order for another number of rows
                assert mine.probability == pytest.approx(theirs.probability, abs=1e-6)


def test_images_are_read_as_answers_are_asked_for(
    model: Model, photographs: list[Named], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VIEWS_PER_BATCH", 2)
    read: list[str] = []

    class Noted(io.BytesIO):
        def __init__(self, name: str, content: bytes) -> None:
            super().__init__(content)
            self.name = name

        def read(self, size: int | None = -1) -> bytes:
            read.extend([] if self.tell() else [self.name])
            return super().read(size)

    answers = stream(model, ((name, Noted(name, content)) for name, content in photographs))
    next(answers)
    assert sorted(read) == sorted(name for name, _ in photographs[:2])
    answers.close()


def test_json_has_answers_or_an_error(model: Model, photographs: list[Named], tmp_path: Path) -> None:
    found = [each.to_json() for each in stream(model, [photographs[0], ("gone.jpg", Torn("gone"))], top=2)]
    good, bad = json.loads(json.dumps(found, allow_nan=False))
    assert good["image"] == photographs[0][0]
    assert [set(answer) for answer in good["predictions"]] == [{"class", "key", "index", "probability"}] * 2
    assert bad == {"image": "gone.jpg", "error": "cannot be read: gone"}


def test_a_network_that_answers_nan_is_a_sentence(colours: Store, photographs: list[Named]) -> None:
    broken = tiny_model(colours)
    with torch.no_grad():
        broken.net.get_parameter("conv1.weight")[0] = float("nan")
    with pytest.raises(WeightsError, match="answers NaN"):
        list(stream(broken, photographs))


def test_of_one_image_the_answer_is_one_of_several_a_list(model: Model, photographs: list[Named]) -> None:
    predictor, contents = Predictor(model, placement=FP32), [content for _, content in photographs[:2]]
    several = predictor.predict(contents, top=2)
    assert [each.image for each in several] == ["[0]", "[1]"]
    # one row and two may be summed in another order, so the probabilities are left out
    alone = predictor.predict(contents[0], top=2), predict(model, contents[1], top=2, placement=FP32)
    for found, expected in zip(alone, several, strict=True):
        assert isinstance(found, Prediction)
        assert [each.index for each in found.answers] == [each.index for each in expected.answers]
    assert predictor.predict(contents[0]).image == ""
    assert predictor.predict(iter(contents[:1]))[0].answers == predictor.predict(contents[0]).answers
    assert predictor.predict([]) == []


def test_one_image_that_cannot_be_used_is_an_error_that_names_it(model: Model, tmp_path: Path) -> None:
    predictor, gone = Predictor(model, placement=FP32), tmp_path / "gone.jpg"
    with pytest.raises(ImageError, match=re.escape(f"{gone}: cannot be read: No such file or directory")):
        predictor.predict(gone)
    with pytest.raises(ImageError, match=r"^the file is empty$"):
        predictor.predict(b"")
    white = np.full((9, 9, 3), 255, np.uint8)
    for ask in (predictor.probabilities, lambda images: predictor.stages(images, "fc2")):
        with pytest.raises(ImageError, match=re.escape("[1]: the file is empty")):
            ask([white, b"", b""])
    with pytest.raises(ImageError, match=re.escape(str(gone))):
        predictor.views(str(gone))


def test_what_is_no_image_at_all_is_a_sentence_for_one_and_for_several(model: Model) -> None:
    predictor = Predictor(model, placement=FP32)
    for images in (np.zeros((9, 9), np.uint8), [np.zeros((9, 9), np.uint8)], [None], None, 5):
        with pytest.raises(ConfigError, match=r"\(H, W, 3\)"):
            predictor.predict(images)  # type: ignore[call-overload]


@pytest.mark.parametrize("crops", [1, 10])
def test_probabilities_and_stages_are_arrays_with_a_row_an_image(
    model: Model, photographs: list[Named], crops: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VIEWS_PER_STAGES", 2 * crops)
    monkeypatch.setattr(module, "VIEWS_PER_BATCH", 2 * crops)
    predictor, contents = Predictor(model, placement=FP32), [content for _, content in photographs[:5]]
    found = predictor.probabilities(contents, crops)
    assert found.shape == (5, 6) and found.dtype == np.float32
    for row, answer in zip(found, predictor.predict(contents, 1, crops), strict=True):
        assert row.max() == pytest.approx(answer.answers[0].probability, abs=1e-6)
    stages = predictor.stages(contents, ["fc3", "pool1"], crops)
    some = (crops,) if crops > 1 else ()
    assert {name: rows.shape for name, rows in stages.items()} == {"fc3": (5, *some, 6), "pool1": (5, *some, 8, 6, 6)}
    votes = torch.from_numpy(stages["fc3"]).double().view(5, crops, 6).softmax(-1)
    np.testing.assert_allclose(votes.mean(1).numpy(), found, atol=1e-6)  # fp32 rounding
    seen = predictor.views(contents[4], crops)
    with torch.no_grad():
        expected = model.net.stages(torch.from_numpy(seen.inputs), ["pool1"])["pool1"].numpy()
    np.testing.assert_allclose(stages["pool1"][4].reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)
    assert predictor.probabilities([], crops).shape == (0, 6)
    assert predictor.stages([], ["pool1"], crops)["pool1"].shape == (0, *some, 8, 6, 6)
    with pytest.raises(ConfigError, match="did you mean 'pool1'"):
        predictor.stages(contents, "pool2", crops)
    squares = (predictor.read(content).pixels for content in contents)
    assert (next(predictor.stages_of(squares, "pool1", crops))["pool1"] == stages["pool1"][:2]).all()


def test_other_numbers_of_crops_are_refused_before_anything_is_read(model: Model) -> None:
    predictor = Predictor(model, placement=FP32)
    for ask in (predictor.predict, predictor.probabilities, predictor.views):
        with pytest.raises(ConfigError, match="1 crop or 10 crops, not 0"):
            ask("nowhere.jpg", crops=0)  # type: ignore[operator]


def test_what_the_network_sees_is_shown_with_what_was_put_right(model: Model) -> None:
    mean = np.random.default_rng(0).uniform(90, 140, (256, 256, 3)).astype(np.float32)
    asked = replace(
        model,
        preparation=Preparation(channels="BGR", std=(58.0, 57.0, 56.0)),
        statistics=replace(model.statistics, mean_image=mean),
    )
    pixels = picture(300, 400)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # stored lying, shown upright: a quarter turn to the right
    turned = Image.fromarray(pixels)
    seen = Predictor(asked, placement=FP32).views(file_of(turned, "PNG", exif=exif), crops=10)
    assert seen.orientation == 6 and seen.treatments == ("turned upright (EXIF orientation 6)",)
    assert seen.size == (300, 400) and seen.part == (0, 50, 300, 350)
    upright = np.asarray(turned.transpose(Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(seen.square, resized(upright, DEFAULT))
    assert seen.boxes.tolist()[1] == [224, 0, 256, 32] and seen.boxes.tolist()[2] == [112, 112, 144, 144]
    assert seen.mirrored.tolist() == [False] * 5 + [True] * 5
    np.testing.assert_array_equal(seen.crops[1], seen.square[0:32, 224:256])
    np.testing.assert_array_equal(seen.crops[6], seen.square[0:32, 224:256][:, ::-1])
    centre = mean[112:144, 112:144]
    expected = ((seen.crops - centre) / np.float32([58, 57, 56]))[..., ::-1].transpose(0, 3, 1, 2)
    np.testing.assert_allclose(seen.inputs, expected, rtol=1e-5, atol=1e-5)
    assert seen.preparation == asked.preparation.in_words


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_model_given_stays_as_it_is_and_its_future_does_not_matter(colours: Store, dtype: str) -> None:
    model = tiny_model(colours)
    model.net.train()
    before = {name: tensor.clone() for name, tensor in model.net.state_dict().items()}
    kept = [(parameter.data_ptr(), parameter.stride(), parameter.dtype) for parameter in model.net.parameters()]
    predictor = Predictor(model, placement=place("cpu", dtype))
    square = np.full((256, 256, 3), 90, np.uint8)
    first = predictor.probabilities(square)
    assert model.net.training and all(parameter.requires_grad for parameter in model.net.parameters())
    assert kept == [(each.data_ptr(), each.stride(), each.dtype) for each in model.net.parameters()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.net.state_dict().items())
    with torch.no_grad():
        model.net.get_parameter("fc3.bias").add_(torch.arange(6.0))
    np.testing.assert_array_equal(predictor.probabilities(square), first)
    assert not np.allclose(Predictor(model, placement=place("cpu", dtype)).probabilities(square), first, atol=0.01)


def test_threads_that_share_a_predictor_get_the_answers_of_one(model: Model, photographs: list[Named]) -> None:
    predictor = Predictor(model, placement=FP32)
    images: list[ImageInput] = [Image.open(io.BytesIO(content)) for _, content in photographs]  # type: ignore[arg-type]
    alone = [predictor.probabilities(content) for _, content in photographs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(predictor.probabilities, images * 3))
    for found, expected in zip(together, alone * 3, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_nothing_of_torchs_global_state_is_used_or_changed(model: Model, photographs: list[Named]) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state(), torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
    predictor = Predictor(model)
    content = photographs[0][1]
    first = predictor.probabilities(content), predictor.stages(content, "relu2"), predictor.views(content)
    after = torch.get_rng_state(), torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]
    torch.manual_seed(6)
    np.testing.assert_array_equal(predictor.probabilities(content), first[0])


def test_a_path_of_a_model_or_of_a_run_is_enough(model: Model, photographs: list[Named], tmp_path: Path) -> None:
    save_model(model, tmp_path / "run" / "model")
    expected = Predictor(model, placement=FP32).probabilities(photographs[0][1])
    for path in (tmp_path / "run" / "model", str(tmp_path / "run")):
        np.testing.assert_array_equal(Predictor(path, placement=FP32).probabilities(photographs[0][1]), expected)


@pytest.mark.parametrize("side", [40, 72])
def test_the_side_is_the_models(tmp_path: Path, side: int) -> None:
    store = tiny_store(tmp_path / "store", preparation=Preparation(side=side))
    model = tiny_model(store)
    seen = Predictor(model, placement=FP32).views(picture(60, 90), crops=10)
    np.testing.assert_array_equal(seen.square, resized(picture(60, 90), store.preparation))
    assert seen.square.shape == (side, side, 3)
    assert seen.boxes.max() == side
    end = side - 32
    expected = seen.square[end:, end:, :].astype(np.float32)
    mean = model.statistics.mean_image[end // 2 : end // 2 + 32, end // 2 : end // 2 + 32]
    np.testing.assert_array_equal(seen.inputs[4].transpose(1, 2, 0), expected - mean)
    squares = [store.read(int(position)) for position in store.split("test")]
    found = Predictor(model, placement=FP32).probabilities(squares, crops=10).argmax(1)
    tally = evaluate([model], store, split="test", crops=10, placement=FP32)
    assert (found != store.labels[store.split("test")]).sum() == tally.top1_wrong


def test_photographs_prepared_to_another_side_are_refused(model: Model) -> None:
    predictor, other = Predictor(model, placement=FP32), np.zeros((72, 72, 3), np.uint8)
    for use in (lambda: predictor.answer([other]), lambda: list(predictor.stages_of([other], ["conv1"]))):
        with pytest.raises(ConfigError, match=r"has shape \(256, 256, 3\), not \(72, 72, 3\); .* --side 256\.$"):
            use()


def test_a_shared_model_is_not_copied(model: Model) -> None:
    for share in (False, True):
        net = Predictor(model, placement=FP32, share=share)._network.net  # type: ignore[attr-defined]
        assert (net.get_parameter("fc2.weight").data_ptr() == model.net.get_parameter("fc2.weight").data_ptr()) is share
