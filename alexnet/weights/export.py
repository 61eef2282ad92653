"""A model as a file for other programs."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from alexnet import kernels
from alexnet.errors import AlexNetError, ConfigError, unknown
from alexnet.model.compare import functional
from alexnet.model.net import AlexNet
from alexnet.model.variants import variant
from alexnet.weights.agreement import Agreement, agree, sample_photographs, views_of
from alexnet.weights.description import from_texts, to_texts
from alexnet.weights.files import check_name, replacing
from alexnet.weights.model_dir import Model, check_whole
from alexnet.weights.onnx.export import export_onnx
from alexnet.weights.onnx.graph import GraphOptions
from alexnet.weights.pytorch.torchvision import NAMES, plain_network

SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2", "safetensors": ".safetensors", "torchvision": ".pth"}
"""The formats, and what their files usually end in."""


def export(model: Model, path: Path, kind: str, options: GraphOptions | None = None) -> Agreement:
    """Writes `model` to `path` as a file of a format in `SUFFIXES`, whole or not at all.

    Returns how the answers of what was written compare to the network's. `options` are for "onnx". The network is left
    on the CPU, in evaluation mode. Raises WeightsError when answers differ, and as `check_whole` does; ConfigError for
    an unknown format, or one that does not fit the network.
    """
    check_whole(model)
    model.net.cpu().eval()
    match kind:
        case "onnx":
            return export_onnx(model, path, options or GraphOptions())
        case "torch-export":
            return _program(model, path)
        case "safetensors":
            check_name(path)
            return _weights(model, path, _in_order(save(_parameters(model.net), to_texts(model))), _read_safetensors)
        case "torchvision":
            return _weights(model, path, _saved(torchvision_state(model.net)), _read_torchvision)
    raise unknown("format", kind, SUFFIXES)


def _weights(model: Model, path: Path, content: bytes, read: Callable[[Path], nn.Module]) -> Agreement:
    """Writes a file of weights; before it is put in its place, the network that `read` makes of it has to agree."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        try:
            net = read(temporary).eval()
        except (OSError, RuntimeError, SafetensorError) as error:  # the others wrap what the disk says
            raise AlexNetError(f"{path} was written but cannot be read again: {error}; try again.") from error
        views = views_of(model, sample_photographs(model.preparation.side))
        return agree(model, net, views, views, "The network made of the file")


def _read_safetensors(path: Path) -> nn.Module:
    """The network that the file's own description and weights make."""
    with safe_open(path, "pt") as file:
        with torch.device("meta"):  # nothing is drawn, only to be overwritten
            net = AlexNet(from_texts(file.metadata(), path).spec)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        net.load_state_dict(tensors, assign=True)
    return net


def _read_torchvision(path: Path) -> nn.Module:
    """The network as torchvision builds it, from PyTorch's own layers."""
    state = torch.load(path, weights_only=True)
    net = plain_network(len(state["classifier.6.bias"]))
    net.load_state_dict(state)
    return net


def _program(model: Model, path: Path) -> Agreement:
    """Writes the network as torch.export does, in PyTorch's own operators, for views (N, C, H, W) of any N ≥ 1.

    The description (`alexnet.weights.description`) is in the file's extra files.
    """
    views = views_of(model, sample_photographs(model.preparation.side))
    with torch.no_grad(), kernels.use_twin():
        batch = torch.export.Dim("batch", min=1)
        program = torch.export.export(model.net, (views[:2].clone(),), dynamic_shapes=({0: batch},), strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # where this package lies is nobody's business
    content = BytesIO()
    torch.export.save(program, content, extra_files=to_texts(model))
    again = torch.export.load(BytesIO(content.getvalue())).module()
    found = agree(model, again, views, views, "The exported program")
    _write(path, content.getvalue())
    return found


def torchvision_state(net: AlexNet) -> dict[str, Tensor]:
    """The parameters of `net` under torchvision's names. Raises ConfigError for a network that torchvision has not."""
    spec = net.spec
    owt = variant("owt", classes=spec.classes)
    if functional(spec) != functional(owt):
        raise ConfigError(
            f"torchvision's alexnet is the network 'owt' and no other: {spec.name!r} has other layers or widths, so "
            "its weights have no place there; export it as onnx, torch-export or safetensors."
        )
    if net.get_parameter("fc6.weight").shape[1] != 256 * 6 * 6 or spec.channels != 3:
        raise ConfigError(
            f"torchvision's alexnet takes three channels and 6 × 6 positions into fc6, but {spec.name!r} was built for "
            f"{spec.channels} channels of {spec.input_size} pixels; build it for 224 pixels."
        )
    parameters = _parameters(net)
    return {theirs: parameters[ours] for ours, theirs in NAMES.items()}


def _parameters(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().float().contiguous().cpu() for name, tensor in net.state_dict().items()}


def _in_order(content: bytes) -> bytes:
    """The safetensors file with its texts in the order of their names: the library leaves that to chance."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[end:]


def _saved(content: object) -> bytes:
    stream = BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
