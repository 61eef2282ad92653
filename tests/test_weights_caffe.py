"""Caffe's networks against OpenCV's DNN module, which reads the same files with a reader of its own."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from caffe_files import (
    Weights,
    blob,
    caffemodel,
    field,
    layer_message,
    layer_messages,
    prototxt,
    random_weights,
    small,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet.data.preparation import Preparation
from alexnet.errors import ConfigError, WeightsError
from alexnet.model.spec import Dropout, Spec
from alexnet.model.variants import variant
from alexnet.weights.caffe.importing import MEAN_PIXEL, MODELS, import_caffe, read_mean
from alexnet.weights.files import sha256

pytestmark = pytest.mark.usefixtures("one_thread", "one_opencv_thread")

# Both add up to 9,216 fp32 products in an order of their own: 2e-6 of a stage's largest value was seen. The smallest
# mistake, a division of alpha by n left out, changes a tenth.
TOLERANCE = 1e-5


@pytest.fixture
def one_opencv_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def opencv(folder: Path, spec: Spec, content: bytes) -> Any:
    """OpenCV's network of the files, which are left in the folder."""
    (folder / "net.caffemodel").write_bytes(content)
    (folder / "net.prototxt").write_text(prototxt(spec))
    net = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))
    net.enableFusion(False)
    return net


def views(count: int = 1) -> NDArray[np.float32]:
    """Images (N, 3, 227, 227) in BGR as they are after the mean: coarse noise of -120 to 135."""
    coarse = np.random.default_rng(1).uniform(-120, 135, (count, 3, 29, 29))
    return coarse.repeat(8, axis=2).repeat(8, axis=3)[..., :227, :227].astype(np.float32)


def assert_close(found: torch.Tensor, expected: NDArray[np.float32], what: str) -> None:
    ours = found.numpy().reshape(expected.shape)
    assert np.abs(ours - expected).max() <= TOLERANCE * np.abs(expected).max(), what


@pytest.mark.parametrize("generation", ["V1", "V2"])
@pytest.mark.parametrize("name", MODELS)
def test_every_stage_is_opencvs(tmp_path: Path, name: str, generation: str) -> None:
    spec = small(name)
    net = opencv(tmp_path, spec, caffemodel(spec, random_weights(spec), generation, legacy=generation == "V1"))
    images = views()
    net.setInput(images)
    stages = [layer.name for layer in spec.layers if not isinstance(layer, Dropout)]
    expected = {stage: net.forward(stage).copy() for stage in [*stages, "prob"]}
    assert np.abs(expected["norm1"]).max() < 0.8 * np.abs(expected["relu1"]).max(), "the norm does nothing here"
    flipped = import_caffe(tmp_path / "net.caffemodel")
    kept = import_caffe(tmp_path / "net.caffemodel", keep_bgr=True)
    assert flipped.net.spec.name == name
    with torch.inference_mode():
        for model, seen in ((flipped, images[:, ::-1].copy()), (kept, images)):
            found = model.net.stages(torch.from_numpy(seen), stages)
            for stage in stages:
                assert_close(found[stage], expected[stage], stage)
            assert_close(model.net(torch.from_numpy(seen)).softmax(1), expected["prob"], "prob")
        unturned = kept.net(torch.from_numpy(images[:, ::-1].copy())).numpy()
    assert np.abs(unturned - expected["fc8"]).max() > 1000 * TOLERANCE * np.abs(expected["fc8"]).max()


def test_the_two_networks_differ(tmp_path: Path) -> None:
    answers = []
    weights = random_weights(small("bvlc_alexnet"))
    for name in MODELS:
        (tmp_path / name).write_bytes(caffemodel(small(name), weights))
        with torch.inference_mode():
            answers.append(import_caffe(tmp_path / name).net(torch.from_numpy(views())))
    assert (answers[0] - answers[1]).abs().max() > 1e-2 * answers[0].abs().max()


@pytest.mark.parametrize("name", MODELS)
def test_the_full_network_is_opencvs(tmp_path: Path, name: str) -> None:
    spec = variant(name)
    net = opencv(tmp_path, spec, caffemodel(spec, random_weights(spec), "V1", legacy=True))
    images = views(2)
    net.setInput(images)
    expected = net.forward("fc8")
    model = import_caffe(tmp_path / "net.caffemodel")
    assert model.net.spec == spec
    with torch.inference_mode():
        assert_close(model.net(torch.from_numpy(images[:, ::-1].copy())), expected, "fc8")


@pytest.fixture(scope="module")
def known() -> tuple[Spec, Weights]:
    spec = small("caffenet")
    return spec, random_weights(spec)


@pytest.fixture
def write(tmp_path: Path, known: tuple[Spec, Weights]) -> Callable[..., Path]:
    """Writes a caffenet with layers replaced, None for one left out."""

    def write(**changes: bytes | None) -> Path:
        layers = {**layer_messages(*known), **changes}
        path = tmp_path / "net.caffemodel"
        path.write_bytes(b"".join(layer for layer in layers.values() if layer is not None))
        return path

    return write


def conv2(known: tuple[Spec, Weights], parameters: bytes | None = None, **more: Any) -> bytes:
    given = {"bottoms": ("norm1",), "tops": ("conv2",), "blobs": [blob(array) for array in known[1]["conv2"]], **more}
    default = field(1, 16) + field(4, 5) + field(3, 2) + field(5, 2)
    return layer_message("V2", "conv2", "Convolution", parameters=parameters or default, **given)


def test_a_model_knows_how_its_photographs_are_prepared(write: Callable[..., Path]) -> None:
    path = write()
    model, kept = import_caffe(path), import_caffe(path, keep_bgr=True)
    assert model.preparation == Preparation("squash", "bilinear", "RGB", None, "crop")
    assert kept.preparation == Preparation("squash", "bilinear", "BGR", None, "crop")
    assert (model.statistics.mean_image == np.float32(MEAN_PIXEL)).all()
    assert model.provenance == {
        "imported_from": "net.caffemodel",
        "format": "Caffe, V2 layers",
        "source_sha256": sha256(path),
        "conversions": [
            "conv1 turned from BGR to RGB",
            "mean pixel 123, 117, 104 (RGB) for want of a mean image",
        ],
    }
    assert kept.provenance["conversions"][0] == "conv1 kept in BGR"


def test_names_of_layers_are_free(write: Callable[..., Path], known: tuple[Spec, Weights]) -> None:
    """A network that was fine-tuned calls its last layer something else."""
    fc8 = layer_message(
        "V2", "fc8_flowers", "InnerProduct", ("fc7",), ("fc8_flowers",), parameters=field(1, 10),
        blobs=[blob(array) for array in known[1]["fc8"]],
    )  # fmt: skip
    model = import_caffe(write(fc8=fc8, loss=None))
    assert np.array_equal(model.net.get_parameter("fc8.bias").detach().numpy(), known[1]["fc8"][1])


def test_layers_need_not_work_in_place(tmp_path: Path, known: tuple[Spec, Weights]) -> None:
    split = layer_message("V2", "fc8_split", "Split", ("fc8",), ("fc8_split_0", "fc8_split_1"))
    layers = layer_messages(*known, in_place=False)
    (tmp_path / "net.caffemodel").write_bytes(b"".join(layers.values()) + split)
    import_caffe(tmp_path / "net.caffemodel")


def test_weights_without_the_layers_between_them_need_the_name(tmp_path: Path, known: tuple[Spec, Weights]) -> None:
    spec, weights = known
    layers = layer_messages(spec, weights)
    path = tmp_path / "bare.caffemodel"
    path.write_bytes(b"".join(layers[name] for name in weights))
    with pytest.raises(WeightsError, match=r"holds weights without .*; say --model bvlc_alexnet or caffenet\.$"):
        import_caffe(path)
    models = {name: import_caffe(path, model=name) for name in MODELS}
    assert {name: model.net.spec for name, model in models.items()} == {name: small(name) for name in MODELS}
    with pytest.raises(ConfigError, match="Unknown model of Caffe 'cafenet'; did you mean 'caffenet'"):
        import_caffe(path, model="cafenet")


def test_the_size_of_the_crops_is_kept(tmp_path: Path, known: tuple[Spec, Weights]) -> None:
    """224 pixels give 54, 27, 13 and 6 positions where pooling is Caffe's, so the weights fit."""
    spec = replace(known[0], input_size=224)
    net = opencv(tmp_path, spec, caffemodel(spec, known[1]))
    net.setInput(views()[..., :224, :224])
    model = import_caffe(tmp_path / "net.caffemodel", keep_bgr=True)
    assert model.net.spec == spec
    with torch.inference_mode():
        assert_close(model.net(torch.from_numpy(views()[..., :224, :224].copy())), net.forward("fc8"), "fc8")


def test_a_network_that_is_another_is_refused_by_its_first_difference(
    write: Callable[..., Path], known: tuple[Spec, Weights]
) -> None:
    def refused(sentence: str, **changes: bytes | None) -> None:
        with pytest.raises(WeightsError, match=sentence):
            import_caffe(write(**changes))

    with pytest.raises(WeightsError, match=r"is not bvlc_alexnet: it has 'pool1' \(Pooling\), expected norm1 \(LRN\)"):
        import_caffe(write(), model="bvlc_alexnet")
    refused(r"it has 'pool5' \(Pooling\), expected conv5 \(Convolution\)", conv5=None, relu5=None)
    refused(r"it has no more layers, expected fc8 \(InnerProduct\)", fc8=None)
    extra = layer_message("V2", "fc9", "InnerProduct", ("fc8",), ("fc9",), blobs=[blob(np.zeros((1, 10)))] * 2)
    refused(r"it has 'fc9' \(InnerProduct\), expected no more layers", fc9=extra)
    scale = layer_message("V2", "scale", "Scale", ("fc8",), ("scale",))
    refused(r"it has 'scale' \(Scale\), expected no more layers", scale=scale)
    refused(
        r"the layer 'data' \(Data\) has weights",
        data=layer_message("V2", "data", "Data", (), (), blobs=[extra[:0] or blob(np.zeros(1))]),
    )
    sizes = field(1, 16) + field(4, 5) + field(5, 2)
    refused(r"the layer 'conv2' has padding 1, expected 2 as in 'caffenet'", conv2=conv2(known, sizes + field(3, 1)))
    refused(r"the layer 'conv2' has groups 1, expected 2", conv2=conv2(known, field(4, 5) + field(3, 2)))
    norm2 = layer_message("V2", "norm2", "LRN", ("pool2",), ("norm2",), parameters=field(2, 1e-4) + field(5, 2.0))
    refused(r"the layer 'norm2' has k 2\.0, expected 1\.0", norm2=norm2)
    refused(r"the layer 'conv2' takes 'data', expected the output of the layer", conv2=conv2(known, bottoms=("data",)))
    refused(r"the layer 'conv2' takes 'norm1', 'data', expected", conv2=conv2(known, bottoms=("norm1", "data")))


def test_weights_that_do_not_fit_are_refused_by_name(write: Callable[..., Path], known: tuple[Spec, Weights]) -> None:
    weight, bias = known[1]["conv2"]

    def refused(sentence: str, *arrays: NDArray[np.float32]) -> None:
        with pytest.raises(WeightsError, match=sentence):
            import_caffe(write(conv2=conv2(known, blobs=[blob(array) for array in arrays])))

    refused("the layer 'conv2' has 1 blobs, expected weights and biases", weight)
    refused("the layer 'conv2' has 0 blobs")
    refused(r"conv2\.weight has shape \(16, 12, 5, 5\), expected \(16, 6, 5, 5\)", weight.repeat(2, axis=1), bias)
    refused(r"conv2\.bias has shape \(17,\), expected \(16,\)", weight, np.zeros(17, np.float32))
    refused(r"conv2\.bias has shape \(4, 4\), expected \(16,\)", weight, bias.reshape(4, 4))
    refused(r"conv2\.weight has shape \(16, 150\), expected 4 sizes", weight.reshape(16, 150), bias)
    twice = layer_message("V2", "conv1", "InnerProduct", ("fc7",), ("fc8",), blobs=[blob(a) for a in known[1]["fc8"]])
    with pytest.raises(WeightsError, match="has two layers of one name"):
        import_caffe(write(fc8=twice))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layer=st.integers(0, 23), place=st.integers(0, 60), value=st.integers(0, 255))
def test_a_damaged_file_is_a_model_or_a_sentence(
    tmp_path: Path, known: tuple[Spec, Weights], layer: int, place: int, value: int
) -> None:
    """Bytes where the layers are described, not among the numbers."""
    layers = list(layer_messages(*known).values())
    damaged = bytearray(layers[layer % len(layers)])
    damaged[place % len(damaged)] = value
    layers[layer % len(layers)] = bytes(damaged)
    (tmp_path / "net.caffemodel").write_bytes(b"".join(layers))
    with suppress(WeightsError):
        import_caffe(tmp_path / "net.caffemodel")


def test_the_mean_image_is_read_from_both_formats(tmp_path: Path) -> None:
    image = np.random.default_rng(0).uniform(90, 140, (3, 256, 256)).astype(np.float32)  # BGR
    (tmp_path / "mean.binaryproto").write_bytes(blob(image, legacy=True))
    np.save(tmp_path / "mean.npy", image.astype(np.float64))
    expected = np.stack([image[2], image[1], image[0]], axis=2)
    for name in ("mean.binaryproto", "mean.npy"):
        found = read_mean(tmp_path / name)
        assert found.dtype == np.float32
        assert np.array_equal(found, expected)


def test_the_side_of_photographs_is_the_mean_images(tmp_path: Path) -> None:
    spec = replace(small("caffenet"), input_size=115)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffemodel(spec, random_weights(spec)))
    mean = np.random.default_rng(0).uniform(90, 140, (3, 128, 128)).astype(np.float32)
    np.save(tmp_path / "mean.npy", mean)
    model = import_caffe(path, mean=tmp_path / "mean.npy")
    assert (model.preparation.side, model.net.spec.input_size) == (128, 115)
    assert model.statistics.mean_image.shape == (128, 128, 3)
    np.save(tmp_path / "mean.npy", mean[:, :100, :100])
    with pytest.raises(WeightsError, match=r"takes crops of 115 × 115 pixels, but photographs would be 100 × 100 by"):
        import_caffe(path, mean=tmp_path / "mean.npy")


def test_caffes_published_mean_has_its_known_colours(shared_data: Path, write: Callable[..., Path]) -> None:
    binary, numpy = (
        read_mean(shared_data / "imagenet" / name) for name in ("imagenet_mean.binaryproto", "ilsvrc_2012_mean.npy")
    )
    assert np.allclose(binary, numpy, atol=1e-5, rtol=0)
    assert np.allclose(binary.mean((0, 1), dtype=np.float64), (122.679, 116.669, 104.007), atol=1e-3, rtol=0)
    model = import_caffe(write(), mean=shared_data / "imagenet" / "imagenet_mean.binaryproto")
    assert np.array_equal(model.statistics.mean_image, binary)
    assert model.provenance["conversions"][1] == "mean image imagenet_mean.binaryproto turned from BGR to RGB"


def test_other_means_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mean"

    def refused(sentence: str, content: bytes | NDArray[Any]) -> None:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            with open(path, "wb") as file:
                np.save(file, content)
        with pytest.raises(WeightsError, match=sentence):
            read_mean(path)

    refused(
        r"has shape \(256, 256, 3\) of float32; it should be \(3, side, side\) floats", np.zeros((256, 256, 3), "f4")
    )
    refused(r"has shape \(3,\)", np.zeros(3))
    refused(r"has shape \(\)", np.zeros(()))
    refused(r"has shape \(3, 72, 64\)", np.zeros((3, 72, 64)))
    refused(r"has shape \(2, 3, 72, 72\)", np.zeros((2, 3, 72, 72)))
    refused(r"is of 28 × 28 pixels; photographs are prepared to 32 × 32 up to 512 × 512", np.zeros((3, 28, 28)))
    refused(r"of uint8", np.zeros((3, 256, 256), np.uint8))
    refused(r"holds NaN", np.full((3, 256, 256), np.nan))
    refused(r"is damaged: .*allow_pickle=False", np.array({"a": 1}))
    refused(r"is damaged", b"\x93NUMPY\x01\x00")
    endless = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1000000000000), }"
    refused(r"is damaged", b"\x93NUMPY\x01\x00" + len(endless).to_bytes(2, "little") + endless)
    refused(r"has 4 numbers for a shape of", blob(np.zeros(4)) + field(7, field(1, bytes([3]))))
    refused(r"has shape \(1, 2\)", blob(np.zeros((1, 2))))
    refused(r"is damaged, or of another format", b"no message")
