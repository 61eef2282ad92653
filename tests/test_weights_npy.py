from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from caffe_files import Weights, caffemodel, random_weights, small
from numpy.typing import NDArray

from alexnet.errors import ConfigError, WeightsError
from alexnet.weights.caffe.importing import import_caffe
from alexnet.weights.caffe.npy import import_npy

pytestmark = pytest.mark.usefixtures("one_thread")

SPEC = small("bvlc_alexnet")


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights(SPEC)


def converted(weights: Weights, *, turned: bool = True) -> dict[str, list[NDArray[Any]]]:
    """What caffe-tensorflow makes of Caffe's weights: kernels (H, W, in, out), matrices (in, out), fc6 H, W, C."""
    found: dict[str, list[NDArray[Any]]] = {}
    for name, (weight, bias) in weights.items():
        if name == "fc6" and turned:
            maps = weight.reshape(len(weight), -1, 6, 6)
            found[name] = [maps.transpose(2, 3, 1, 0).reshape(-1, len(weight)), bias]
        else:
            found[name] = [weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T, bias]
    return found


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any], Path]:
    def save(content: Any) -> Path:
        np.save(tmp_path / "net.npy", content)
        return tmp_path / "net.npy"

    return save


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("keep_bgr", [True, False])
def test_the_model_is_the_one_that_caffes_own_file_makes(
    tmp_path: Path, save: Callable[[Any], Path], weights: Weights, turned: bool, keep_bgr: bool
) -> None:
    (tmp_path / "net.caffemodel").write_bytes(caffemodel(SPEC, weights))
    expected = import_caffe(tmp_path / "net.caffemodel", keep_bgr=keep_bgr)
    path = save(converted(weights, turned=turned))
    found = import_npy(path, keep_bgr=keep_bgr, fc_rows="hwc" if turned else "chw")
    assert (found.net.spec, found.preparation) == (expected.net.spec, expected.preparation)
    for name, tensor in found.net.state_dict().items():
        assert torch.equal(tensor, expected.net.state_dict()[name]), name
    other = import_npy(path, keep_bgr=keep_bgr, fc_rows="chw" if turned else "hwc")
    assert not torch.equal(other.net.get_parameter("fc6.weight"), expected.net.get_parameter("fc6.weight"))


def test_fc6_meets_what_tensorflow_flattens(save: Callable[[Any], Path], weights: Weights) -> None:
    """Independent of Caffe: pool5 flattened as (N, H, W, C), times the file's own matrix."""
    file = converted(weights)
    model = import_npy(save(file))
    with torch.inference_mode():
        stages = model.net.stages(torch.randn(2, 3, 227, 227) * 50, ["pool5", "fc6"])
    flat = stages["pool5"].numpy().transpose(0, 2, 3, 1).reshape(2, -1)
    expected = flat.astype(np.float64) @ file["fc6"][0] + file["fc6"][1]
    assert np.allclose(stages["fc6"].numpy(), expected, rtol=1e-4, atol=1e-4)  # fp32 sums of 288 products


def test_newer_converters_name_the_parts(save: Callable[[Any], Path], weights: Weights) -> None:
    named = {name: {"weights": weight, "biases": bias} for name, (weight, bias) in converted(weights).items()}
    first, second = import_npy(save(named)).net, import_npy(save(converted(weights))).net
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_where_it_came_from_is_said(save: Callable[[Any], Path], weights: Weights, shared_data: Path) -> None:
    model = import_npy(save(converted(weights)), mean=shared_data / "imagenet" / "ilsvrc_2012_mean.npy")
    assert model.provenance["format"] == "caffe-tensorflow, npy"
    assert model.provenance["conversions"] == [
        "kernels and matrices turned to (out, in, …)",
        "fc6's rows taken in H, W, C order",
        "conv1 turned from BGR to RGB",
        "mean image ilsvrc_2012_mean.npy turned from BGR to RGB",
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda file: file.pop("conv3"), r"missing: conv3\.weights, conv3\.biases\.$"),
        (lambda file: file.update(conv6=file["conv5"]), r"of no use there: conv6\.weights, conv6\.biases\.$"),
        (lambda file: file.update(fc7=file["fc7"][:1]), "the layer 'fc7' is not a list of weights and biases"),
        (lambda file: file.update(fc7=5), "the layer 'fc7' is not a list of weights and biases"),
        (lambda file: file.update(fc7=[np.array([1]), np.array([2])]), "the layer 'fc7' is not a list of weights"),
        (lambda file: file.update(fc7={"weights": 1, "gamma": 2}), "the layer 'fc7' is not a list of weights"),
        (
            lambda file: file.update(fc6=[file["fc6"][0][:-1], file["fc6"][1]]),
            r"fc6\.weights has shape \(24, 287\), expected \(24, 288\) for fc6\.weight of 'bvlc_alexnet'",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    save: Callable[[Any], Path], weights: Weights, change: Callable[[Any], Any], sentence: str
) -> None:
    file = converted(weights)
    change(file)
    with pytest.raises(WeightsError, match=sentence):
        import_npy(save(file))


def test_other_content_and_options_are_refused(save: Callable[[Any], Path], weights: Weights) -> None:
    with pytest.raises(WeightsError, match="holds no layers by name, but str"):
        import_npy(save(np.array("text", dtype=object)))
    with pytest.raises(ConfigError, match="Unknown order of rows 'hcw'; did you mean 'hwc' or 'chw'"):
        import_npy(save(converted(weights)), fc_rows="hcw")
