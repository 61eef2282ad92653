"""A model at work on photographs: loaded once, asked as often as one likes, from as many threads as one likes.

N photographs, S the side of a prepared one in pixels, V views of each, H×W pixels of a view, C channels, K classes.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.data.augment import Views, fixed_views, view_means
from alexnet.data.decode import MAX_PIXELS
from alexnet.data.images import kept_part
from alexnet.data.inputs import ImageInput, is_one, name_of, named, read_image
from alexnet.data.loader import view_batch
from alexnet.data.resize import Box
from alexnet.data.source import Prepared
from alexnet.errors import ConfigError, ImageError
from alexnet.evaluation.answers import Prediction, ranked
from alexnet.evaluation.evaluate import VIEWS_PER_BATCH
from alexnet.evaluation.networks import InOnnxRuntime, InPyTorch, Network, Squares
from alexnet.model.account import account
from alexnet.model.device import Placement, place
from alexnet.threads import Threads
from alexnet.weights.description import Description, describe
from alexnet.weights.model_dir import Model, load_model, model_of_run, no_model
from alexnet.weights.onnx.session import OnnxModel

READERS = 2  # threads that read and decode
VIEWS_PER_STAGES = 32  # views whose stages are held at once; of conv1 of the paper's network 1.2 MB each


@dataclass(frozen=True)
class Seen:
    """What a network is shown of one photograph.

    `square` is the prepared photograph, and `part` where it lies in the upright original of `size`, both in pixels.
    `boxes` says where each view lies in the square, `mirrored` which ones are turned round, `crops` has their pixels
    and `inputs` the numbers that enter the first layer, the mean subtracted. `treatments` says in words what was put
    right in the original, `preparation` how it was prepared; `orientation` is the EXIF orientation that it was turned
    by, 1 where there was nothing to turn.
    """

    square: NDArray[np.uint8]  # (S, S, 3)
    crops: NDArray[np.uint8]  # (V, H, W, 3), RGB, mirrored where the view is
    inputs: NDArray[np.float32]  # (V, C, H, W)
    boxes: NDArray[np.int64]  # (V, 4): left, top, right, bottom
    mirrored: NDArray[np.bool_]  # (V,)
    size: tuple[int, int]  # width, height
    part: Box
    orientation: int
    treatments: tuple[str, ...]
    preparation: dict[str, str]


class Predictor:
    """A model to ask about photographs.

    `model` is a `Model`, or the path of a model directory, of a run directory or of an ONNX file that `alexnet export`
    wrote, which ONNX Runtime then runs. `placement` says where and in which numbers; None is the best of this machine.
    The network is converted once, into a copy: a `Model` given here stays as it is, and what becomes of it later does
    not matter. With `share`, for a model that nobody will change, tensors that are right already are not copied.
    Threads may share a predictor. Nothing of torch's global state is used or changed.

    An image is the path of a file, its bytes, a file open for reading, a Pillow image, or an array (H, W, 3) of uint8;
    where images are taken, one or an iterable of them is. All are prepared as the model asks for. `crops` is 1, the
    centre, or 10: centre and corners, mirrored too, their probabilities averaged.
    Raises WeightsError for a model that cannot be read, ConfigError for what is no model and for a placement that an
    ONNX file does not have.
    """

    def __init__(
        self,
        model: Model | OnnxModel | str | Path,
        *,
        placement: Placement | None = None,
        max_pixels: int = MAX_PIXELS,
        share: bool = False,
    ) -> None:
        if not isinstance(model, Model | OnnxModel | str | Path):
            raise no_model(model)
        self.max_pixels = max_pixels
        self._known_views: dict[int, tuple[Views, NDArray[np.float32]]] = {}
        read_here = isinstance(model, str | Path)
        if isinstance(model, str | Path):
            path = Path(model)
            model = OnnxModel(path) if _is_onnx(path) else load_model(model_of_run(path))
        self.placement: Placement
        self.description: Description
        self._network: Network
        if isinstance(model, OnnxModel):
            self.placement, self.description = place("cpu", "fp32"), model.description
            if placement not in (None, self.placement):
                raise ConfigError("ONNX files run on the CPU in fp32; leave the placement out.")
            self._network = InOnnxRuntime(model)
        else:
            self.placement = placement or place()
            self._network = InPyTorch(model, self.placement, share=share or read_here)
            self.description = describe(model)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a text is one path, although it is an iterable of texts
        self, images: ImageInput, top: int = ..., crops: int = ...
    ) -> Prediction: ...
    @overload
    def predict(self, images: Iterable[ImageInput], top: int = ..., crops: int = ...) -> list[Prediction]: ...
    def predict(
        self, images: ImageInput | Iterable[ImageInput], top: int = 5, crops: int = 1
    ) -> Prediction | list[Prediction]:
        """The first `top` classes of each image, with probabilities: of one image a `Prediction`, of several a list.

        Raises ImageError for one image that cannot be used; among several, such an image gets a prediction with an
        error in its place. ConfigError for what is no image at all, an array of other numbers or shape among them.
        """
        answers = list(self.stream(named(images), top, crops))
        if not is_one(images):
            return answers
        if answers[0].error is not None:
            raise _refusal(answers[0].image, answers[0].error)
        return answers[0]

    def stream(
        self, images: Iterable[tuple[str, ImageInput]], top: int = 5, crops: int = 1, batch_size: int | None = None
    ) -> Iterator[Prediction]:
        """A prediction for each image under its name, in order, as batches are ready: for more than memory holds.

        Images are read as answers are asked for, `batch_size` at a time: as many as make a good batch of views unless
        given. One that cannot be used gets a prediction with an error. Raises ConfigError for a `top` below 1.
        """
        if top < 1:
            raise ConfigError(f"top is the number of classes told, at least 1, not {top}.")
        self._views(crops)  # an error is due now, not with the first answer
        return self._stream(images, top, crops, batch_size or max(1, VIEWS_PER_BATCH // crops))

    def probabilities(self, images: ImageInput | Iterable[ImageInput], crops: int = 1) -> NDArray[np.float32]:
        """Class probabilities (N, K) of the images, (1, K) of one. Raises ImageError, which names the image."""
        self._views(crops)
        found = [self.answer(squares, crops) for squares in self._squares(images, max(1, VIEWS_PER_BATCH // crops))]
        return np.concatenate(found) if found else np.empty((0, len(self.description.categories)), np.float32)

    def stages(
        self, images: ImageInput | Iterable[ImageInput], names: str | Sequence[str], crops: int = 1
    ) -> dict[str, NDArray[np.float32]]:
        """The outputs of the named layers for the images: (N, …) with one crop, (N, 10, …) with ten; N is 1 for one.

        They are those of the placement's numbers: bf16 differs from fp32 by some tenths of a per cent. All of them are
        held in memory; `stages_of` goes on from batch to batch. Raises ConfigError, naming the nearest, for a layer
        that the network does not have; ImageError, which names the image.
        """
        names = (names,) if isinstance(names, str) else tuple(names)
        squares = (square for batch in self._squares(images, READERS) for square in batch)
        batches = list(self.stages_of(squares, names, crops))
        shapes = {row.name: row.output for row in account(self.description.spec).rows}
        none = {name: np.empty((0, *([crops] if crops > 1 else []), *shapes[name]), np.float32) for name in names}
        return {name: np.concatenate([none[name], *(batch[name] for batch in batches)]) for name in names}

    def stages_of(
        self, squares: Iterable[NDArray[np.uint8]], names: str | Sequence[str], crops: int = 1
    ) -> Iterator[dict[str, NDArray[np.float32]]]:
        """As `stages`, of prepared photographs (S, S, 3), such as a store holds, batch by batch in their order."""
        names = (names,) if isinstance(names, str) else names
        views, mean = self._views(crops)
        squares = iter(squares)
        while batch := list(islice(squares, max(1, VIEWS_PER_STAGES // crops))):
            self._check_side(batch)
            found = self._network.stages(batch, views, mean, names)
            shaped = [tensor if crops == 1 else tensor.view(-1, crops, *tensor.shape[1:]) for tensor in found]
            yield {name: tensor.numpy() for name, tensor in zip(names, shaped, strict=True)}

    def views(self, image: ImageInput, crops: int = 1) -> Seen:
        """What the network sees of one image. Raises ImageError when it cannot be used."""
        views, mean = self._views(crops)
        prepared = self.read(image)
        known, square = self.description, prepared.pixels
        side = known.spec.input_size
        corners = np.stack([views.left, views.top], axis=1)
        return Seen(
            square,
            np.stack([_cut(square, views, number, side) for number in range(len(views))]),
            view_batch([square], views, mean, preparation=known.preparation).contiguous().numpy(),
            np.concatenate([corners, corners + side], axis=1),
            views.mirrored,
            prepared.size,
            kept_part(*prepared.size, known.preparation),
            prepared.orientation,
            prepared.treatments,
            known.preparation.in_words,
        )

    def read(self, image: ImageInput) -> Prepared:
        """The image as the model asks for it, with pixels for `answer`. Raises ImageError, which names the image."""
        try:
            return read_image(image, self.description.preparation, self.max_pixels)
        except ImageError as error:
            raise _refusal(name_of(image, ""), str(error)) from error

    def answer(self, squares: Squares, crops: int = 1) -> NDArray[np.float32]:
        """Class probabilities (N, K) of prepared photographs (S, S, 3), all of them in one batch.

        Raises ConfigError for photographs of another side than the model takes.
        """
        self._check_side(squares)
        found: NDArray[np.float32] = self._network.probabilities(squares, *self._views(crops)).numpy()
        return found

    def votes(self, squares: Squares, crops: int = 10) -> NDArray[np.float32]:
        """As `answer`, but what each view says, (N, crops, K): how the views differ; their mean is the answer."""
        self._check_side(squares)
        found: NDArray[np.float32] = self._network.votes(squares, *self._views(crops)).numpy()
        return found

    def check(self, crops: int) -> None:
        """Raises ConfigError for a number of crops that the model cannot be shown."""
        self._network.check(crops)

    def _check_side(self, squares: Squares) -> None:
        side = self.description.preparation.side
        for square in squares:
            if square.shape != (side, side, 3):
                raise ConfigError(
                    f"A photograph prepared for this model has shape {(side, side, 3)}, not {square.shape}; prepare "
                    f"it with --side {side}."
                )

    def _views(self, crops: int) -> tuple[Views, NDArray[np.float32]]:
        """Where to look, and what is subtracted: always the same for as many crops."""
        known = self.description
        if crops not in self._known_views:
            views = fixed_views(known.spec.input_size, known.preparation.side, crops)
            self._network.check(crops)
            self._known_views[crops] = (
                views,
                view_means(known.statistics, known.spec.input_size, views, known.preparation),
            )
        return self._known_views[crops]

    def _stream(
        self, images: Iterable[tuple[str, ImageInput]], top: int, crops: int, batch_size: int
    ) -> Iterator[Prediction]:
        for chunk in self._read(images, batch_size):
            squares = [found.pixels for _, found in chunk if isinstance(found, Prepared)]
            rows = iter(torch.from_numpy(self.answer(squares, crops)) if squares else ())
            for name, found in chunk:
                if isinstance(found, Prepared):
                    answers = ranked(next(rows), self.description.categories, top)
                    yield Prediction(name, answers, None, found.size, found.treatments)
                else:
                    yield Prediction(name, error=found)

    def _squares(self, images: ImageInput | Iterable[ImageInput], step: int) -> Iterator[list[NDArray[np.uint8]]]:
        """The images prepared, `step` at a time. Raises ImageError for the first that cannot be used."""
        for chunk in self._read(named(images), step):
            squares = []
            for name, found in chunk:
                if not isinstance(found, Prepared):
                    raise _refusal(name, found)
                squares.append(found.pixels)
            yield squares

    def _read(self, images: Iterable[tuple[str, ImageInput]], step: int) -> Iterator[list[tuple[str, Prepared | str]]]:
        """The images, `step` at a time: prepared, or the reason why not; one alone on this thread."""
        images = iter(images)
        with ExitStack() as stack:
            readers: Threads | None = None
            while chunk := list(islice(images, step)):
                if len(chunk) > 1 and readers is None:
                    readers = stack.enter_context(Threads(READERS, thread_name_prefix="reader"))
                found = (readers.map if readers else map)(self._tried, (image for _, image in chunk))
                yield list(zip((name for name, _ in chunk), found, strict=True))

    def _tried(self, image: ImageInput) -> Prepared | str:
        try:
            return read_image(image, self.description.preparation, self.max_pixels)
        except ImageError as error:
            return str(error)


@overload
def predict(  # type: ignore[overload-overlap]  # as above
    model: Model | OnnxModel | str | Path,
    images: ImageInput,
    *,
    top: int = ...,
    crops: int = ...,
    placement: Placement | None = ...,
) -> Prediction: ...
@overload
def predict(
    model: Model | OnnxModel | str | Path,
    images: Iterable[ImageInput],
    *,
    top: int = ...,
    crops: int = ...,
    placement: Placement | None = ...,
) -> list[Prediction]: ...
def predict(
    model: Model | OnnxModel | str | Path,
    images: ImageInput | Iterable[ImageInput],
    *,
    top: int = 5,
    crops: int = 1,
    placement: Placement | None = None,
) -> Prediction | list[Prediction]:
    """The classes of one image, or of several, as `Predictor.predict`; for more than one call, keep a predictor."""
    return Predictor(model, placement=placement).predict(images, top, crops)


def _refusal(name: str, reason: str) -> ImageError:
    return ImageError(f"{name}: {reason}" if name else reason)


def _cut(square: NDArray[np.uint8], views: Views, number: int, side: int) -> NDArray[np.uint8]:
    """The pixels of one view."""
    top, left = int(views.top[number]), int(views.left[number])
    crop = square[top : top + side, left : left + side]
    return crop[:, ::-1] if views.mirrored[number] else crop


def _is_onnx(path: Path) -> bool:
    return path.suffix == ".onnx" and not path.is_dir()
