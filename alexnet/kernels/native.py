"""The compiled kernels: found, loaded and described. Nothing here is needed for a right result.

The structures mirror abi.h line for line. torch is imported first so that the library shares its OpenMP runtime.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_double, c_int, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch  # noqa: F401  (before the library, which then shares its thread runtime)

from alexnet.errors import ConfigError

ABI = 3
MAX_KERNEL = 15
_NO_SUCH_SIZES = 2


class Norm(ctypes.Structure):
    """A response normalisation over the channels of each pixel."""

    _fields_ = (
        *((name, c_int64) for name in ("channels", "towers", "lo", "hi")),
        *((name, c_double) for name in ("k", "alpha", "beta")),
    )


class Spatial(ctypes.Structure):
    """A response normalisation over the positions around each one of a map."""

    _fields_ = (("size", c_int64), *((name, c_double) for name in ("k", "alpha", "beta")))


class Stage(ctypes.Structure):
    """A max-pool of a channels-last map, with what comes before and after it."""

    _fields_ = (
        ("norm", Norm),
        ("spatial", Spatial),
        *((name, c_int64) for name in ("images", "height", "width", "kernel", "stride")),
        *((name, c_int64) for name in ("top", "bottom", "left", "right")),
        *((name, c_int64) for name in ("normalises", "relu_before", "relu_after", "spatially")),
    )


class Augment(ctypes.Structure):
    """Crops of photographs, and where they come from."""

    _fields_ = (
        *((name, c_int64) for name in ("images", "width", "crop", "block", "blocks")),
        ("scale", c_double),
        *((name, c_void_p) for name in ("pixels", "top", "left", "mirrored", "shift", "mean")),
    )


class Convolution(ctypes.Structure):
    """A convolution of stride 1 of channels-last maps."""

    _fields_ = tuple(
        (name, c_int64)
        for name in (
            *("images", "height", "width", "channels", "outputs", "groups"),
            *("kernel", "top", "left", "rows", "columns"),
        )
    )


_DROPOUT = c_int64, c_int, c_int, c_int64, c_int64, c_double


class Kernels(ctypes.Structure):
    """The functions for one instruction set."""

    _fields_ = (
        ("instructions", c_char_p),
        ("norm_forward", CFUNCTYPE(c_int, POINTER(Norm), c_int64, c_int, c_int, *[c_void_p] * 2)),
        ("norm_backward", CFUNCTYPE(c_int, POINTER(Norm), c_int64, c_int, c_int, *[c_void_p] * 3)),
        ("stage_forward", CFUNCTYPE(c_int, POINTER(Stage), c_int, c_int, *[c_void_p] * 3)),
        ("stage_backward", CFUNCTYPE(c_int, POINTER(Stage), c_int, c_int, *[c_void_p] * 4)),
        ("momentum_update", CFUNCTYPE(c_int, c_int64, c_int, c_int, *[c_double] * 3, *[c_void_p] * 4)),
        ("dropout_forward", CFUNCTYPE(c_int, *_DROPOUT, c_int, *[c_void_p] * 2)),
        ("dropout_backward", CFUNCTYPE(c_int, *_DROPOUT, *[c_void_p] * 3)),
        ("augment", CFUNCTYPE(c_int, POINTER(Augment), c_int, c_int, c_void_p)),
        ("winograd_weights", CFUNCTYPE(c_int, POINTER(Convolution), c_int, c_int, *[c_void_p] * 2)),
        ("winograd_forward", CFUNCTYPE(c_int, POINTER(Convolution), c_int, c_int, *[c_void_p] * 4)),
        ("winograd_weight_gradient", CFUNCTYPE(c_int, POINTER(Convolution), c_int, *[c_void_p] * 3)),
    )


@dataclass(frozen=True)
class Library:
    """A loaded library: its kernels by instruction set, best first, and the file of its thread runtime."""

    path: Path
    tables: dict[str, Kernels]
    thread_runtime: str | None


@cache
def load() -> Library | str:
    """The library beside this file, or the reason why there is none."""
    folder = Path(__file__).parent
    paths = sorted(folder.glob("_native*.so"))
    if not paths:
        return f"no compiled kernels in {folder}; install a C++ compiler (g++ with OpenMP) and run pip install again"
    try:
        library = ctypes.CDLL(str(paths[0]))
        built = int(library.alexnet_abi())
    except (OSError, AttributeError) as error:
        return f"the compiled kernels cannot be loaded ({error}); run pip install again"
    if built != ABI:
        return f"{paths[0]} was built from other sources (interface {built}, not {ABI}); run pip install again"
    table = library.alexnet_kernels
    table.argtypes, table.restype = [c_int64], POINTER(Kernels)
    tables: dict[str, Kernels] = {}
    while found := table(len(tables)):
        tables[found.contents.instructions.decode()] = found.contents
    runtime = library.alexnet_thread_runtime
    runtime.restype = c_char_p
    name = runtime()
    return Library(paths[0], tables, name.decode() if name else None)


_chosen: str | None = None  # by `instructions`; None is the best that the processor has


def available() -> bool:
    """Whether the compiled kernels run on this machine; if not, `describe` says why."""
    return isinstance(load(), Library)


# What `torch.compiler.assume_constant_result` does, without importing torch._dynamo, which doubles the time of a start.
available._dynamo_marked_constant = True  # type: ignore[attr-defined]


def describe() -> str:
    """One line for a log: the instruction set in use, or why the PyTorch twins run."""
    library = load()
    if isinstance(library, str):
        return f"PyTorch twins: {library}"
    return f"fused, {table().instructions.decode()}" + ("" if library.thread_runtime else ", one thread (no OpenMP)")


def where() -> str:
    """The files of the library and of its thread runtime; empty without a library."""
    library = load()
    return "" if isinstance(library, str) else f"{library.path}, threads by {library.thread_runtime or 'nobody'}"


def instruction_sets() -> list[str]:
    """The names of the instruction sets that this processor and the library have, best first."""
    library = load()
    return list(library.tables) if isinstance(library, Library) else []


@contextmanager
def instructions(name: str) -> Iterator[None]:
    """Runs the kernels of the instruction set `name`, for tests and measurements."""
    global _chosen
    assert name in instruction_sets()
    before, _chosen = _chosen, name
    try:
        yield
    finally:
        _chosen = before


def table() -> Kernels:
    """The kernels in use; the library must be available."""
    library = load()
    assert isinstance(library, Library), library
    return library.tables[_chosen or next(iter(library.tables))]


def run(function: str, *arguments: object) -> None:
    """Calls the kernel `function`.

    Raises ConfigError for sizes that cannot be, MemoryError when there is none for its scratch.
    """
    status = getattr(table(), function)(*arguments)
    if status == _NO_SUCH_SIZES:
        raise ConfigError(f"The kernel {function} was given sizes that cannot be; nothing was computed.")
    if status:
        raise MemoryError(f"No memory for the scratch space of the kernel {function}.")
