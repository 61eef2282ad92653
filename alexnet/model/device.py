"""Where a network runs and in which numbers."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from alexnet.errors import ConfigError, unknown
from alexnet.model.modules import BatchNormalisation, Convolution
from alexnet.model.net import AlexNet, check_weights

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Placement:
    """A device and the type that activations and working weights have there."""

    device: torch.device
    dtype: torch.dtype

    @property
    def runs_ahead(self) -> bool:
        """Whether operations return before they are done there, so that reading a number waits for all before it."""
        return self.device.type != "cpu"

    @property
    def reads_pinned(self) -> bool:
        """Whether it fetches batches by itself out of memory that the system never moves."""
        return self.device.type == "cuda"

    @property
    def dtype_name(self) -> str:
        """The type as the command line calls it."""
        return next(name for name, dtype in DTYPES.items() if dtype is self.dtype)


def place(device: str = "auto", dtype: str = "auto") -> Placement:
    """The placement for "auto", "cpu", "cuda", "cuda:1" or "mps", and "auto", "fp32" or "bf16".

    An automatic device is CUDA, then MPS, then the CPU. An automatic dtype is bf16 where hardware multiplies it faster:
    CPUs with AMX or AVX-512 BF16, GPUs from compute capability 8. From the first CUDA placement on, this process's
    products of fp32 numbers are such: PyTorch lets cuDNN round them to the 11 bits of TF32. Raises ConfigError for an
    unknown or absent device.
    """
    where = _device(device)
    if where.type == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if dtype != "auto" and dtype not in DTYPES:
        raise unknown("dtype", dtype, ("auto", *DTYPES))
    if dtype == "auto":
        dtype = "bf16" if bf16_is_fast(where) else "fp32"
    return Placement(where, DTYPES[dtype])


def bf16_is_fast(device: torch.device) -> bool:
    """Whether `device` has instructions for products of bf16 numbers."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases cannot tell
        return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return False


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"Unknown device {name!r}; use auto, cpu, cuda, cuda:N or mps.") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"Device {name!r} is not supported; use auto, cpu, cuda, cuda:N or mps.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"Device {name!r} is not here: PyTorch sees {torch.cuda.device_count()} CUDA devices.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("Device 'mps' is not here: PyTorch sees no Metal device.")
    return device


@contextmanager
def undisturbed() -> Iterator[None]:
    """A block after which torch's generators and its number of threads are as they were before; also a decorator."""
    threads = torch.get_num_threads()
    metal = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    # a GPU that nothing has used yet has no state to keep
    used = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng(devices=list(used)):
            yield
    finally:
        torch.set_num_threads(threads)
        if metal is not None:
            torch.mps.set_rng_state(metal)


def working_copy(net: AlexNet, placement: Placement) -> AlexNet:
    """`net` in the placement's numbers, channels-last: `net` itself where it is in them already, a copy otherwise.

    `net` has to be on the placement's device. Batch normalisation stays in fp32 and is shared by both, so that what it
    learns of its inputs reaches `net`.
    """
    # convolutions keep maps innermost, which is what fast kernels on CPUs and GPUs want
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shared = [module for module in net.children() if isinstance(module, BatchNormalisation)]
    others = [module for module in net.children() if module not in shared]
    if all(parameter.dtype is placement.dtype for module in others for parameter in module.parameters()):
        return net
    # what deepcopy finds here it does not copy first: of 61 million weights there is only the one copy
    found: dict[int, nn.Module | nn.Parameter] = {id(module): module for module in shared}
    for parameter in (parameter for module in others for parameter in module.parameters()):
        converted = parameter.detach().to(placement.dtype, copy=True)
        found[id(parameter)] = nn.Parameter(converted, requires_grad=parameter.requires_grad)
    return copy.deepcopy(net, found)


def frozen_copy(net: AlexNet, placement: Placement, *, share: bool = False) -> AlexNet:
    """A copy of `net` to answer with: on the placement's device and in its numbers, in evaluation mode, for good.

    `net` stays as it is, wherever it is. With `share`, tensors that are right already are not copied, for a `net` that
    nobody else will change. Batch normalisation stays in fp32, convolutions are channels-last; see `working_copy`.
    Without gradients, convolutions are those of `alexnet.kernels.prepared`, whose sums may be rounded otherwise. Raises
    ConfigError when a layer of `net` was replaced, or has hooks for what passes through it, which the copy would lack;
    WeightsError when its tensors are not those of its spec.
    """
    net.check_layers()
    with torch.device("meta"):
        copied = AlexNet(net.spec)
    kept = {name: tensor for name, tensor in net.state_dict().items() if name.partition(".")[0] in net.names}
    check_weights(copied, kept)
    net.check_hooks()
    state = {}
    for name, tensor in kept.items():
        wide = isinstance(net.get_submodule(name.partition(".")[0]), BatchNormalisation)
        dtype = torch.float32 if wide else placement.dtype
        order = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        state[name] = tensor.to(placement.device, dtype, copy=not share, memory_format=order)
    copied.load_state_dict(state, assign=True)
    for module in copied.children():
        if isinstance(module, Convolution):
            module.prepare()
    return copied.requires_grad_(False).eval()
