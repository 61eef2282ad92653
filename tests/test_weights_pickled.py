import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from alexnet.errors import WeightsError
from alexnet.weights.caffe.pickled import read_pickled

LAYERS = {
    "conv1": [np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2), np.ones(2, np.float32)],
    "fc6": [np.arange(6.0).reshape(2, 3).T, np.zeros(3)],  # in Fortran's order
}


def header(array: Any) -> bytes:
    """The start of a .npy file that holds one object."""
    stream = BytesIO()
    npy.write_array_header_1_0(stream, npy.header_data_from_array_1_0(np.array(array, dtype=object)))
    return npy.magic(1, 0) + stream.getvalue().removeprefix(npy.magic(1, 0))


def written(path: Path, content: Any, protocol: int = 4) -> Path:
    """As numpy.save does with one object, which it puts into an array."""
    path.write_bytes(header(None) + pickle.dumps(np.array(content, dtype=object), protocol))
    return path


def same(found: Any, expected: Any) -> None:
    if isinstance(expected, np.ndarray):
        assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        assert found.flags.c_contiguous
        assert np.array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, list):
        for value, wanted in zip(found, expected, strict=True):
            same(value, wanted)
    else:
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_every_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    same(read_pickled(written(tmp_path / "a.npy", LAYERS, protocol)), LAYERS)


def test_what_numpy_saves_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", LAYERS)  # type: ignore[arg-type]
    same(read_pickled(tmp_path / "a.npy"), LAYERS)


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8", ">f8", "<i4", ">i8"])
def test_numbers_of_every_kind_and_byte_order_are_read(tmp_path: Path, kind: str) -> None:
    same(
        read_pickled(written(tmp_path / "a.npy", {"a": np.array([1, -2, 300], kind)})),
        {"a": np.array([1, -2, 300], kind)},
    )


def python2(array: np.ndarray, name: bytes) -> bytes:
    """The pickle of {name: array} as Python 2 writes it: bytes are short strings."""
    shape = b"".join(b"K" + bytes([size]) for size in array.shape)
    data = array.astype("<f4").tobytes()
    built = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01(" + shape + b"t"
        b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"I00\nT" + struct.pack("<i", len(data)) + data + b"tb"
    )
    return b"\x80\x02}U" + bytes([len(name)]) + name + built + b"s"


def test_files_of_python_2_are_read(tmp_path: Path) -> None:
    """The published file is one."""
    array = np.array([[1.5, -2.0, 0.1]], np.float32)
    outer = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01)"
        b"cnumpy\ndtype\n(U\x02O8K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tbI00\n]"
        + python2(array, b"conv1")[2:]
        + b"atb."
    )
    path = tmp_path / "a.npy"
    path.write_bytes(header(None) + outer)
    expected = np.load(path, allow_pickle=True, encoding="latin1").item()
    assert list(expected) == ["conv1"]
    same(read_pickled(path), expected)


class Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_in_the_file_is_executed(tmp_path: Path, protocol: int) -> None:
    path = written(tmp_path / "a.npy", {"x": Evil(os.mkdir, str(tmp_path / "done"))}, protocol)
    with pytest.raises(
        WeightsError, match=r"it asks for '(posix|nt)', 'mkdir', which has no place in a file of weights"
    ):
        read_pickled(path)
    assert not (tmp_path / "done").exists()
    np.load(path, allow_pickle=True)
    assert (tmp_path / "done").exists(), "the file is harmless, so the test shows nothing"


def pickled(*steps: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(header(None) + b"".join(steps))
        return path

    return write


def saved(content: Any) -> Callable[[Path], Path]:
    return lambda path: written(path, content)


F4 = b"cnumpy\ndtype\n(X\x02\0\0\0f4tR"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (saved(OrderedDict(a=1)), "it asks for 'collections', 'OrderedDict'"),
        (saved(np.float32(1)), r"it asks for 'numpy\._core\.multiarray', 'scalar'"),
        (saved({1, 2}), "the step EMPTY_SET, which has no place"),
        (saved({"a": np.array(["a"])}), "an array in it is of type 'U1', expected one of f2, f4"),
        (saved({"a": np.array([1 + 2j])}), "an array in it is of type 'c16'"),
        (saved({"a": np.zeros(2, [("a", "f4")])}), "an array in it is of type 'V4'"),
        (saved({"a": np.array([[], None], object)}), "it holds something that is neither numbers nor text"),
        (pickled(b"\x80\x02r\xff\xff\xff\xff."), "a pickle takes more than|its pickle takes more than 10,000 steps"),
        (pickled(b"\x80\x02N", b"0N" * 6000, b"."), "its pickle takes more than 10,000 steps"),
        (pickled(b"N."), "it holds no array of one object"),
        (pickled(ARRAY, b"."), "it holds no array of one object"),
        (pickled(b"c_codecs\nencode\n}b."), "it changes what it has no right to|missing 1 required"),
        (pickled(b"c_codecs\nencode\n(X\x01\0\0\0aX\x03\0\0\0hextR."), "it asks for bytes in 'hex'"),
        (pickled(b"cnumpy\nndarray\n)R."), "not callable"),
        (pickled(ARRAY, b"(K\x01(K\x05t" + F4 + b"(K\x03X\x01\0\0\0<tb\x89C\x04aaaatb."), "1 numbers"),
        (pickled(ARRAY, b"(K\x01(K\x01tX\x02\0\0\0f4\x89C\x04aaaatb."), "an array in it is damaged"),
        (pickled(ARRAY, b"(K\x01(J\xff\xff\xff\xfft" + F4 + b"\x89C\x04aaaatb."), "is damaged"),
        (pickled(ARRAY, b"(K\x01)cnumpy\ndtype\n(X\x01\0\0\0OtR\x89C\x04aaaatb."), "is damaged"),
        (pickled(b"]q\x00h\x00a", b"cnumpy\nndarray\n0."), "it holds no array of one object"),
        (pickled(b"cbuiltins\neval\n."), "it asks for 'builtins', 'eval'"),
        (pickled(b"\x82\x01."), "the step EXT1"),
        (pickled(b"(i__main__\nAnything\n."), "the step INST"),
        (pickled(b"Pname\n."), "the step PERSID"),
        (pickled(b"\x80\x02K\x01"), "cannot be read"),
        (pickled(), "cannot be read"),
    ],
)  # fmt: skip
def test_what_has_no_place_in_a_file_of_weights_is_refused(
    tmp_path: Path, write: Callable[[Path], Path], sentence: str
) -> None:
    with pytest.raises(WeightsError, match=rf"a\.npy cannot be read: .*({sentence})|a\.npy ({sentence})"):
        read_pickled(write(tmp_path / "a.npy"))


def test_lists_that_share_their_parts_take_no_more_than_they_hold(tmp_path: Path) -> None:
    """Forty lists, each of which holds the one before twice, are a million millions when written out."""
    inner: list[Any] = [np.ones(1)]
    for _ in range(40):
        inner = [inner, inner]
    found = read_pickled(written(tmp_path / "a.npy", {"a": inner}))["a"]
    assert found[0] is found[1]
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(WeightsError, match="cannot be read: maximum recursion depth"):
        read_pickled(written(tmp_path / "a.npy", {"a": endless}))


def test_arrays_of_numbers_are_another_kind_of_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    with pytest.raises(WeightsError, match=r"it holds an array \(2, 3\) of float64, expected one pickled object"):
        read_pickled(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(b"PK\x03\x04 an npz")
    with pytest.raises(WeightsError, match="cannot be read: the magic string is not correct"):
        read_pickled(tmp_path / "a.npy")


CONTENT = header(None) + pickle.dumps(np.array(LAYERS, dtype=object), 4)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.integers(0, len(CONTENT)),
    changes=st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_damage_anywhere_is_a_sentence(tmp_path: Path, cut: int, changes: list[tuple[int, int]]) -> None:
    content = bytearray(CONTENT)
    for place, value in changes:
        content[place] = value
    (tmp_path / "a.npy").write_bytes(content[: len(content) - cut // 8])
    with suppress(WeightsError):
        read_pickled(tmp_path / "a.npy")
