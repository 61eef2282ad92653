"""Exported ONNX files in ONNX Runtime and in OpenVINO."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from proofs.asking import Testimony, ask
from proofs.networks import narrow, seeded
from proofs.seeded import uniform
from proofs.torchvision import STAGE, STAGES
from proofs.verdict import Proof, Row, alike, apart

from alexnet.data.preparation import Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.model.spec import Dropout
from alexnet.model.variants import VARIANTS
from alexnet.weights.agreement import sample_photographs, views_of
from alexnet.weights.export import export
from alexnet.weights.foreign.class_names import unnamed_classes
from alexnet.weights.model_dir import Model
from alexnet.weights.onnx.graph import GraphOptions

WHOLE = ("bvlc_alexnet", "caffenet")
CAFFE = Preparation("squash", "bilinear", "BGR", None, "crop")
RUNTIMES = ("onnxruntime", "openvino")


def prove(folder: Path) -> tuple[list[Proof], Testimony]:
    """The proofs, and what the runtimes said."""
    models = {name: model_of(name) for name in VARIANTS}
    for name, model in models.items():
        export(model, folder / f"{name}.onnx", "onnx", GraphOptions("images"))
        export(model, folder / f"{name}-decomposed.onnx", "onnx", GraphOptions("images", decompose_lrn=True))
    for name in WHOLE:
        watch(folder / f"{name}.onnx", folder / f"{name}-watched.onnx", stages_of(models[name]))
    photographs = sample_photographs(256)
    told = ask("runtimes.py", folder, {"photographs": photographs})
    proofs = [
        Proof(
            f"{name}: every stage of the exported file, from photographs",
            told.witness,
            STAGES,
            list(compared_stages(name, models[name], photographs, told)),
        )
        for name in WHOLE
    ]
    rows = [row for name, model in models.items() for row in compared_logits(name, model, photographs, told)]
    return [
        *proofs,
        Proof(
            "all networks, but for Caffe's an eighth of the maps: logits of the exported files",
            told.witness,
            STAGES,
            rows,
        ),
    ], told


def model_of(name: str) -> Model:
    """Caffe's networks whole and with Caffe's preparation, an eighth of the maps of the others."""
    spec = VARIANTS[name] if name in WHOLE else narrow(VARIANTS[name])
    mean = InputStatistics.of_mean(120 + uniform("mean", (256, 256, 3), 30.0))
    preparation = CAFFE if name in WHOLE else Preparation()
    return Model(seeded(spec), unnamed_classes(spec.classes), mean, preparation=preparation)


def stages_of(model: Model) -> list[str]:
    """The layers that are in the file: dropout is not."""
    return [layer.name for layer in model.net.spec.layers if not isinstance(layer, Dropout)]


def watch(path: Path, copy: Path, names: list[str]) -> None:
    """A copy of an ONNX file that also gives the values called `names`, and what the network takes in."""
    content = onnx.load(path)
    known = {output.name for output in content.graph.output}
    content.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in known)
    onnx.save(content, copy)


def compared_stages(name: str, model: Model, photographs: np.ndarray, told: Testimony) -> Iterator[Row]:
    """A row for every layer in both runtimes, then the two beside each other, their probabilities, and a control."""
    names = stages_of(model)
    with torch.no_grad():
        ours = model.net.stages(views_of(model, photographs), names)
    theirs = {runtime: told.of(f"{runtime}/{name}-watched/") for runtime in RUNTIMES}
    for stage in names:
        for runtime in RUNTIMES:
            yield alike(f"{stage}, {runtime}", ours[stage], theirs[runtime][stage], STAGE)
    found = {runtime: told.of(f"{runtime}/{name}/") for runtime in RUNTIMES}
    one, other = (found[runtime]["fc8"] for runtime in RUNTIMES)
    yield alike("fc8, the two beside each other", one, other, STAGE)
    for runtime, outputs in found.items():
        softmax = torch.from_numpy(outputs["fc8"]).double().softmax(1)
        yield alike(f"probabilities, {runtime}", softmax, outputs["probabilities"], STAGE)
    undivided = replace(model, net=seeded(model.net.spec.with_norm(convention="printed")))
    with torch.no_grad():
        yield apart("fc8, alpha not divided by n", undivided.net(views_of(model, photographs)), one, STAGE)


def compared_logits(name: str, model: Model, photographs: np.ndarray, told: Testimony) -> Iterator[Row]:
    """Rows for the file with LRN nodes and the one with elementary operations, and a control."""
    with torch.no_grad():
        ours = model.net(views_of(model, photographs))
        wrong = model.net(views_of(replace(model, preparation=other_channels(model)), photographs))
    for runtime in RUNTIMES:
        for form, title in ((name, name), (f"{name}-decomposed", f"{name}, decomposed")):
            theirs = told.found[f"{runtime}/{form}/fc8"]
            yield alike(f"{title}, {runtime}", ours, theirs, STAGE)
    yield apart(f"{name} with red and blue exchanged", wrong, theirs, STAGE)


def other_channels(model: Model) -> Preparation:
    """The preparation with red and blue exchanged."""
    channels = {"RGB": "BGR", "BGR": "RGB"}[model.preparation.channels]
    return replace(model.preparation, channels=channels)
