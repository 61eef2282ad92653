"""The model at work for many clients: photographs are decoded, wait, go through the network together, are answered."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.data.formats import format_of, jpeg_frame
from alexnet.data.images import kept_part, load_photograph
from alexnet.data.source import Prepared
from alexnet.errors import AlexNetError, ConfigError, DataError, ImageError
from alexnet.evaluation.answers import ranked
from alexnet.evaluation.features import Features, model_digest
from alexnet.evaluation.predictor import Predictor
from alexnet.model.account import account
from alexnet.model.device import Placement, place
from alexnet.model.fields import fields
from alexnet.model.spec import Activation
from alexnet.process import give_back
from alexnet.serve import following
from alexnet.serve.backlog import Backlog
from alexnet.serve.metrics import Metrics
from alexnet.serve.pictures import data_url, is_large, png
from alexnet.serve.problems import Problem
from alexnet.serve.settings import Settings
from alexnet.show.neighbours import Pixels, photographs_of
from alexnet.threads import Threads
from alexnet.weights.files import sha256
from alexnet.weights.model_dir import WEIGHTS, Model, load_model, read_description
from alexnet.weights.onnx.session import OnnxModel

BASELINE = (0xC0, 0xC1)  # JPEG frames that are decoded row by row; of others all coefficients are in memory at once
EXAMPLES = {"fish": "test/fish/00003", "butterfly": "test/butterfly/00004", "clock": "test/clock/00003"}  # of `Shapes`
TOLD = ("trained_with", "photographs", "weights_of", "errors", "imported_from", "format")  # of a provenance


class Service:
    """A model directory, or an ONNX file that `alexnet export` wrote, at work. `run` is a run directory to follow.

    Raises WeightsError for a model that answers NaN, DataError for features of another one, ConfigError for what is no
    run.
    """

    def __init__(
        self,
        path: Path,
        placement: Placement | None,
        settings: Settings,
        run: Path | None = None,
        features: Path | None = None,
    ) -> None:
        self.settings, self.run = settings, run
        self.remarks: list[str] = []  # what whoever starts it should know
        if run is not None and (said := following.remark(run)):
            self.remarks.append(said)
        self.model: Model | None
        if path.suffix == ".onnx" and path.is_file():
            self.model = None
            self.predictor = Predictor(OnnxModel(path))
            self.digest = sha256(path)
        else:
            self.model = load_model(path)
            self.predictor = Predictor(self.model, placement=placement, share=True)
            self.digest = read_description(path)["sha256"][WEIGHTS]
        self.known = self.predictor.description
        side = self.known.preparation.side
        self.predictor.answer([np.full((side, side, 3), 128, np.uint8)])  # what cannot answer is not served
        self.features = None if features is None else _of_this_model(features, path)
        self.searched: Pixels | None = None  # the photographs that the features are of
        if self.features is not None:
            try:
                self.searched = photographs_of(self.features, self.predictor)
            except AlexNetError as error:
                self.remarks.append(f"The photographs that are searched cannot be shown: {error}")
        self.stopping = False

    def start(self) -> None:
        """Makes the threads and queues; in a running loop."""
        allowed = self.settings
        self.backlog: Backlog[NDArray[np.uint8], NDArray[np.float32]] = Backlog(
            self._votes, queue=allowed.queue, batch=allowed.batch, name="network", told=lambda n: self.metrics.batch(n)
        )
        self.views: Backlog[Callable[[], Any], Any] = Backlog(_each, queue=allowed.queue, batch=1, name="views")
        self.slow: Backlog[Callable[[], Any], Any] = Backlog(_each, queue=allowed.slow_queue, batch=1, name="slow")
        self.metrics = Metrics(lambda: self.backlog.waiting)
        self._decoders = Threads(allowed.decoders, thread_name_prefix="decoder")
        self._large = Threads(1, thread_name_prefix="large")  # one at a time: each may take 0.7 GB
        self.backlog.start()
        self.views.start()
        self.slow.start()

    async def close(self) -> None:
        """Ends the threads."""
        await self.backlog.close()
        await self.views.close()
        await self.slow.close()
        for threads in (self._decoders, self._large):
            threads.shutdown(wait=False, cancel_futures=True)

    async def decode(self, content: bytes) -> Prepared:
        """The photograph, in a thread; a large one waits for other large ones alone.

        Raises Problem when it cannot be used.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._decoders, self._decode_small, content)
        if found is None:
            return await loop.run_in_executor(self._large, self._decode_large, content)
        return found

    async def drawn(self, prepared: Prepared) -> str:
        """The square of a photograph, pixel for pixel, as a data: URL; made in the threads that decode."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, _drawn, prepared.pixels)

    def answers(self, votes: NDArray[np.float32], top: int) -> list[dict[str, Any]]:
        """The first classes of probabilities (K,), as `alexnet predict --json` has them."""
        found = ranked(torch.from_numpy(votes), self.known.categories, top)
        return [
            {"class": each.name, "key": each.key, "index": each.index, "probability": each.probability}
            for each in found
        ]

    @cached_property
    def exact(self) -> Predictor:
        """The model in fp32 on the processor, for what must not be rounded: features and maps."""
        placement = self.predictor.placement
        if self.model is None or (placement.device.type == "cpu" and placement.dtype == torch.float32):
            return self.predictor
        return Predictor(self.model, placement=place("cpu", "fp32"), share=True)

    @cached_property
    def as_features(self) -> Predictor:
        """The model in the numbers that the features were made in."""
        dtype = "fp32" if self.features is None else self.features.description["dtype"]
        if self.model is None or dtype == "fp32":
            return self.exact
        return Predictor(self.model, placement=place("cpu", dtype))

    @cached_property
    def card(self) -> dict[str, Any]:
        """What the model is, as plain JSON types."""
        spec, allowed = self.known.spec, self.settings
        told = {name: self.known.provenance[name] for name in TOLD if name in self.known.provenance}
        return {
            "model": f"sha256:{self.digest}",
            "network": spec.name,
            "summary": spec.summary,
            "input_size": spec.input_size,
            "side": self.known.preparation.side,
            "preparation": self.known.preparation.in_words,
            "classes": [{"class": each.name, "key": each.key} for each in self.known.categories],
            "provenance": told,
            "device": self.predictor.placement.device.type,
            "dtype": self.predictor.placement.dtype_name,
            "last_hidden": self.last_hidden,
            "inside": self.model is not None,
            "ten_crops": self._takes_ten,
            "examples": list(EXAMPLES),
            "run": self.run is not None,
            "features": None if self.features is None else {"images": len(self.features)},
            "limits": {"bytes": allowed.max_bytes, "pixels": allowed.max_pixels, "queue": allowed.queue},
        }

    @cached_property
    def layers(self) -> dict[str, Any]:
        """The account of the network, with the place that each output sees."""
        told = account(self.known.spec).to_json()
        places = fields(self.known.spec)
        for row in told["layers"]:
            field = places.get(row["name"])
            row["field"] = vars(field) if field else None
        return told

    @cached_property
    def last_hidden(self) -> str:
        """The last hidden layer, after its activation: relu7 of the paper's network."""
        layers = self.known.spec.layers
        return next((each.name for each in reversed(layers) if isinstance(each, Activation)), layers[0].name)

    def inside(self) -> Model:
        """The model with its stages. Raises Problem for an ONNX file, which gives its answers and nothing before."""
        if self.model is None:
            raise Problem(404, "answers_only", "An ONNX file gives its answers and nothing before them.")
        return self.model

    @property
    def _takes_ten(self) -> bool:
        """Whether it can be shown ten views: an ONNX file that takes photographs cannot."""
        try:
            self.predictor.check(10)
        except ConfigError:
            return False
        return True

    def part(self, size: tuple[int, int]) -> list[float]:
        """The part of the upright photograph that is kept: left, top, right, bottom."""
        return [round(edge, 2) for edge in kept_part(*size, self.known.preparation)]

    def _votes(self, crops: Hashable, squares: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]:
        """The probabilities (V, K) of each square."""
        assert isinstance(crops, int)
        if crops == 1:
            return list(self.predictor.answer(squares, 1)[:, None])
        return list(self.predictor.votes(squares, crops))

    def _decode_small(self, content: bytes) -> Prepared | None:
        """The photograph; None for a large one."""
        self._check_coefficients(content)
        return None if is_large(content) else self._decode(content)

    def _decode_large(self, content: bytes) -> Prepared:
        try:
            return self._decode(content)
        finally:
            give_back()

    def _check_coefficients(self, content: bytes) -> None:
        """Raises Problem for a large JPEG that cannot be decoded row by row."""
        most = self.settings.max_pixels
        frame = jpeg_frame(content) if format_of(content) == "JPEG" else None
        if frame is not None and frame.marker not in BASELINE and frame.width * frame.height > most:
            text = f"It is a progressive JPEG of {frame.width}×{frame.height} pixels, more than {most:,}."
            raise Problem(422, "too_many_pixels", text)

    def _decode(self, content: bytes) -> Prepared:
        try:
            return load_photograph(content, "", self.known.preparation, self.settings.max_pixels)
        except ImageError as error:
            text = str(error)
            many = "--max-pixels" in text
            code = "too_many_pixels" if many else "unusable_image" if format_of(content) else "not_an_image"
            raise Problem(422, code, text[:1].upper() + text[1:].rstrip(".") + ".") from None


def _of_this_model(folder: Path, model: Path) -> Features:
    """The features in a folder. Raises DataError when they are another model's."""
    found = Features.open(folder)
    found.stage()
    if model.suffix == ".onnx" or model_digest(model) != found.description["model"]["digest"]:
        raise DataError(f"{folder} holds features of another model than {model}; distances would mean nothing.")
    return found


def _drawn(pixels: NDArray[np.uint8]) -> str:
    return data_url(png(pixels))


def _each(_: Hashable, items: Sequence[Callable[[], Any]]) -> list[Any]:
    return [item() for item in items]
