"""NumPy's files of pickled objects, read without running anything: arrays, dicts, lists, texts and numbers come out.

`numpy.load(allow_pickle=True)` calls whatever the file asks for. Here a pickle may name what arrays are made of and
nothing else, and gets stand-ins instead of the real ones, which check the numbers before they make an array of them.
"""

import io
import pickle
import pickletools
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from alexnet.errors import WeightsError
from alexnet.weights.foreign.importing import read_weights

MAX_STEPS = 10_000  # of a pickle; sixteen arrays in lists in a dict take some 400
MAX_SIDES = 8
NUMBERS = ("f2", "f4", "f8", "i4", "i8")
# Steps that build plain objects and arrays, as numpy.save has pickles make them (protocol 2 and later): no sets, no
# instances of classes, nothing from outside of the file.
_STEPS = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2",
    "LONG1", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE",
    "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "GLOBAL", "STACK_GLOBAL", "REDUCE",
    "BUILD", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE",
}  # fmt: skip


def read_pickled(path: Path) -> Any:
    """The object in a .npy file that holds exactly one (`numpy.save(file, dict)`), its arrays in C order.

    Files of Python 2 are understood; their bytes come as latin-1 texts. Raises WeightsError for a file that is missing,
    damaged, too large, or made of anything else than arrays of numbers in dicts, lists and tuples.
    """
    content = read_weights(path)
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if shape != () or dtype != np.dtype(object):
            raise ValueError(f"it holds an array {shape} of {dtype}, expected one pickled object")
        start = stream.tell()
        _check_steps(stream)
        stream.seek(start)
        array = _Unpickler(stream, encoding="latin1").load()
        if not isinstance(array, _Array) or len(array.objects) != 1:
            raise ValueError("it holds no array of one object")
        return _plain(array.objects[0], {})
    except Exception as error:  # a pickle can go wrong in any way
        raise WeightsError(f"{path} cannot be read: {error}.") from error


def _check_steps(stream: io.BytesIO) -> None:
    """Raises ValueError for a step that is not among those above, and for too many.

    An unpickler takes memory for as many places as the highest number that the pickle gives one.
    """
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name not in _STEPS:
            raise ValueError(f"its pickle has the step {opcode.name}, which has no place in a file of weights")
        if count > MAX_STEPS or ("PUT" in opcode.name and (argument or 0) > MAX_STEPS):
            raise ValueError(f"its pickle takes more than {MAX_STEPS:,} steps")


class _DType:
    """The type of an array as a pickle builds it: its name, then its byte order."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.order = name, "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class _Array:
    """An array as a pickle builds it: an empty one, then its version, shape, type, order and numbers."""

    def __init__(self, *_: object) -> None:
        self.objects: list[Any] = []
        self.numbers: NDArray[np.generic] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if not isinstance(dtype, _DType) or len(shape) > MAX_SIDES or not all(size >= 0 for size in shape):
            raise ValueError("an array in it is damaged")
        if dtype.name in ("O", "O8"):
            if not isinstance(content, list):
                raise ValueError("an array in it is damaged")
            self.objects = content
            return
        if dtype.name not in NUMBERS or dtype.order not in ("<", ">"):
            raise ValueError(f"an array in it is of type {dtype.name!r}, expected one of {', '.join(NUMBERS)}")
        data = content.encode("latin1") if isinstance(content, str) else content
        numbers = np.frombuffer(data, np.dtype(dtype.order + dtype.name))
        if numbers.size != prod(shape):
            raise ValueError(f"an array in it has {numbers.size:,} numbers for a shape of {shape}")
        self.numbers = np.ascontiguousarray(numbers.reshape(shape, order="F" if fortran else "C"))


class _Bytes:
    """How pickles of protocol 2 write bytes: a text with its encoding. A class, which no step can change."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]
        if encoding != "latin1":
            raise ValueError(f"it asks for bytes in {encoding!r}")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise ValueError("it changes what it has no right to")


_KNOWN = {
    "numpy.core.multiarray _reconstruct": _Array,
    "numpy._core.multiarray _reconstruct": _Array,
    "numpy ndarray": "numpy.ndarray",  # the first argument of the one before, which has no need of it
    "numpy dtype": _DType,
    "_codecs encode": _Bytes,
}


class _Unpickler(pickle.Unpickler):
    """Knows the parts of arrays, by stand-ins, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name in the pickle. Raises ValueError for any other name."""
        if f"{module} {name}" not in _KNOWN:
            raise ValueError(f"it asks for {module!r}, {name!r}, which has no place in a file of weights")
        return _KNOWN[f"{module} {name}"]


def _plain(found: Any, done: dict[int, Any]) -> Any:
    """The object with arrays in place of their stand-ins, each once: lists that hold a list twice double it else."""
    if id(found) not in done:
        match found:
            case _Array(numbers=np.ndarray() as numbers):
                plain: Any = numbers
            case dict():
                plain = {key: _plain(value, done) for key, value in found.items()}
            case list() | tuple():
                plain = [_plain(value, done) for value in found]
            case None | bool() | int() | float() | str() | bytes():
                plain = found
            case _:
                raise ValueError("it holds something that is neither numbers nor text")
        done[id(found)] = plain
    return done[id(found)]
