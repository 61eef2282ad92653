from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from caffe_files import Weights, blob, caffemodel, field, layer_message, layer_messages, random_weights, small, varint
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.errors import WeightsError
from alexnet.model.spec import Conv, Linear, Spec
from alexnet.weights.caffe.caffemodel import CaffeNet, read_blob, read_caffemodel
from alexnet.weights.caffe.wire import Message

SPEC = small("bvlc_alexnet")
WEIGHTS = random_weights(SPEC)


def read(folder: Path, content: bytes) -> CaffeNet:
    (folder / "net.caffemodel").write_bytes(content)
    return read_caffemodel(folder / "net.caffemodel")


def blob_of(content: bytes) -> np.ndarray:
    return read_blob(Message(memoryview(content), "a blob"))


@pytest.mark.parametrize("generation", ["V1", "V2"])
@pytest.mark.parametrize(
    "form", [{}, {"legacy": True}, {"packed": False}, {"double": True}, {"double": True, "packed": False}]
)
def test_both_generations_are_read_in_every_form_of_blobs(
    tmp_path: Path, generation: str, form: dict[str, bool]
) -> None:
    net = read(tmp_path, caffemodel(SPEC, WEIGHTS, generation, **form))
    assert (net.generation, net.input_size) == (generation, 227)
    assert [layer.name for layer in net.layers] == ["data", *(layer.name for layer in SPEC.layers), "loss"]
    for layer in net.layers:
        for found, expected in zip(layer.blobs, WEIGHTS.get(layer.name, ()), strict=True):
            assert found.dtype == np.float32
            assert np.array_equal(found.reshape(expected.shape), expected), layer.name


def raw(array: np.ndarray, kind: int, numbers: str) -> bytes:
    """A BlobProto of NVIDIA/caffe src/caffe/proto/caffe.proto: raw_data_type = 10, raw_data = 12."""
    shape = field(7, field(1, b"".join(map(varint, array.shape))))
    return shape + field(10, kind) + field(12, array.astype(numbers).tobytes())


@pytest.mark.parametrize(("kind", "numbers"), [(0, "<f8"), (1, "<f4"), (2, "<f2")])
def test_blobs_of_nvcaffe_are_read(kind: int, numbers: str) -> None:
    array = np.random.default_rng(0).normal(size=(3, 2, 5, 5)).astype(numbers)
    found = blob_of(raw(array, kind, numbers))
    assert found.dtype == np.float32
    assert np.array_equal(found, array.astype(np.float32))


def test_blobs_of_nvcaffe_that_cannot_be_read_are_told_apart() -> None:
    array = np.ones((2, 3))
    for content, sentence in (
        (raw(array, 3, "<i4"), r"a blob holds integers \(type 3\); quantised networks are not read"),
        (raw(array, 1, "<f4")[:-1], "is cut off"),
        (raw(array, 1, "<f2"), r"has 3 numbers for a shape of \[2, 3\]"),
        (field(10, 1) + field(12, b"abcde"), "5 bytes, which hold no whole numbers"),
        (field(10, 1) + field(12, b""), r"has 0 numbers for a shape of \[0, 0, 0, 0\]; .* in a form that is not known"),
    ):
        with pytest.raises(WeightsError, match=sentence):
            blob_of(content)


@pytest.mark.parametrize("generation", ["V1", "V2"])
@pytest.mark.parametrize("name", ["bvlc_alexnet", "caffenet"])
def test_layers_say_what_they_compute(tmp_path: Path, name: str, generation: str) -> None:
    spec = small(name)
    net = read(tmp_path, caffemodel(spec, random_weights(spec), generation))
    rows = {layer.name: layer.row for layer in net.layers}
    for layer in spec.layers:
        row = rows[layer.name]
        match layer:
            case Conv():
                expected = Conv(layer.name, 0, layer.kernel, layer.stride, layer.padding, layer.groups)
                assert row == expected
            case Linear():
                assert row == Linear(layer.name, 0)
            case _ if layer.kind == "dropout":
                assert row is None
            case _:
                assert row == layer
    chain = [(layer.bottoms, layer.tops) for layer in net.layers if layer.name in ("conv1", "relu1", "norm1")]
    if name == "bvlc_alexnet":
        assert chain == [(("data",), ("conv1",)), (("conv1",), ("conv1",)), (("conv1",), ("norm1",))]


def one_layer(kind: str, parameters: bytes, **more: bytes) -> bytes:
    return layer_message("V2", "x", kind, ("a",), ("b",), parameters=parameters, **more)


def test_sizes_are_given_once_or_for_each_side(tmp_path: Path) -> None:
    both = field(4, 5) + field(6, 2) + field(3, 1)
    listed = field(4, varint(5) * 2) + field(6, 2) * 2 + field(3, 1) * 2
    sides = field(11, 5) + field(12, 5) + field(13, 2) + field(14, 2) + field(9, 1) + field(10, 1)
    for parameters in (both, listed, sides):
        (layer,) = read(tmp_path, one_layer("Convolution", parameters)).layers
        assert layer.row == Conv("x", 0, 5, stride=2, padding=1)


@pytest.mark.parametrize(
    ("kind", "parameters", "sentence"),
    [
        ("Convolution", field(11, 5) + field(12, 3), r"3 × 5 is not square"),
        ("Convolution", field(4, 5) + field(18, 2), "dilation is 2, where every AlexNet has 1"),
        ("Convolution", field(4, 5) + field(2, 0), "bias_term is 0, where every AlexNet has 1"),
        ("InnerProduct", field(6, 1), "transpose is 1, where every AlexNet has 0"),
        ("Pooling", field(1, 1), "pool is 1, where every AlexNet has 0"),
        ("Pooling", field(2, 3) + field(4, 1), "pad is 1, where every AlexNet has 0"),
        ("LRN", field(4, 1), "norm_region is 1, where every AlexNet has 0"),
        ("ReLU", field(1, 0.1), r"negative_slope is 0\.1, where every AlexNet has 0"),
    ],
)
def test_what_no_alexnet_does_is_refused(tmp_path: Path, kind: str, parameters: bytes, sentence: str) -> None:
    with pytest.raises(WeightsError, match=rf"net\.caffemodel, layer 1 \('x'\), parameters: {sentence}"):
        read(tmp_path, one_layer(kind, parameters))


def test_an_input_that_is_scaled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"layer 1 \('data'\) multiplies its input by 0\.0039"):
        read(tmp_path, layer_message("V2", "data", "Data", (), ("data",), transform=field(1, 1 / 256)))


def test_the_size_of_the_input_is_found_wherever_it_is(tmp_path: Path) -> None:
    relu = one_layer("ReLU", b"")
    dims = b"".join(field(4, size) for size in (10, 3, 224, 224))
    assert read(tmp_path, dims + relu).input_size == 224
    shape = field(1, b"".join(map(varint, (10, 3, 225, 225))))
    assert read(tmp_path, field(8, shape) + relu).input_size == 225
    of_layer = field(100, field(1, "data") + field(2, "Input") + field(143, field(1, shape)))
    assert read(tmp_path, of_layer + relu).input_size == 225
    assert read(tmp_path, relu).input_size is None
    with pytest.raises(WeightsError, match="takes inputs of 224 and 225 pixels, expected one size"):
        read(tmp_path, dims + of_layer)
    with pytest.raises(WeightsError, match="takes inputs of -1 pixels"):
        read(tmp_path, layer_message("V2", "data", "Data", (), ("data",), transform=field(3, -1)))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has layers of no generation that is known; is it a .caffemodel"),
        (field(1, "a name"), "no generation that is known"),
        (layer_message("V1", "a", "ReLU", (), ()) + layer_message("V2", "a", "ReLU", (), ()), "both generations"),
        (field(2, field(1, field(1, "conv1"))), r"first generation \(V0, 2013\); run Caffe's upgrade_net_proto_binary"),
        (field(100, b"\xff"), "layer 1 is damaged"),
        (b"not protobuf at all", "is damaged, or of another format"),
    ],
)
def test_what_is_no_caffemodel_is_said(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        blob(np.zeros((2, 3))) + field(1, 5) + field(7, field(1, bytes([2, 4]))),  # a later shape
        field(7, field(1, bytes([2]))) + field(5, bytes(4)),
        field(7, field(1, varint(-2) + varint(-1))) + field(5, bytes(8)),
        field(7, field(1, varint(2**40) * 4)),
        field(7, field(1, bytes([1] * 5))) + field(5, bytes(4)),
        field(7, b"") + field(5, bytes(4)),
        b"",
    ],
)
def test_a_blob_has_as_many_numbers_as_its_shape_says(content: bytes) -> None:
    with pytest.raises(WeightsError, match=r"a blob has \d+ numbers for a shape of \["):
        blob_of(content)


def test_fp64_numbers_are_rounded() -> None:
    assert blob_of(blob(np.array([0.1, 0.2]), double=True)).tolist() == np.float32([0.1, 0.2]).tolist()


TINY: tuple[Spec, Weights] = (
    SPEC,
    {name: tuple(array.ravel()[:6] for array in pair) for name, pair in WEIGHTS.items()},
)


@settings(max_examples=150, deadline=None)
@given(
    generation=st.sampled_from(["V1", "V2"]),
    cut=st.integers(0, 3000),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=4),
)
def test_damage_anywhere_is_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, generation: str, cut: int, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(b"".join(layer_messages(*TINY, generation).values()))
    for place, value in changes:
        content[place % len(content)] = value
    folder = tmp_path_factory.mktemp("damaged", numbered=True)
    with suppress(WeightsError):
        read(folder, bytes(content[: len(content) - cut]))
