from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import pytest
from caffe_files import field, varint
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.errors import WeightsError
from alexnet.weights.caffe.wire import MAX_FIELDS, MAX_TEXT, Message


def read(content: bytes) -> Message:
    return Message(memoryview(content), "net.bin")


@cache
def google_class() -> Any:
    """A message of Google's implementation that has a field of every kind."""
    kinds = descriptor_pb2.FieldDescriptorProto
    once, many = kinds.LABEL_OPTIONAL, kinds.LABEL_REPEATED
    rows = {
        "flag": (1, kinds.TYPE_BOOL, once),
        "number": (2, kinds.TYPE_INT32, once),
        "sizes": (3, kinds.TYPE_INT64, many),
        "packed_sizes": (4, kinds.TYPE_INT64, many),
        "alpha": (5, kinds.TYPE_FLOAT, once),
        "data": (6, kinds.TYPE_FLOAT, many),
        "packed_data": (7, kinds.TYPE_FLOAT, many),
        "doubles": (8, kinds.TYPE_DOUBLE, many),
        "name": (100, kinds.TYPE_STRING, once),
        "tops": (2000, kinds.TYPE_STRING, many),
        "child": (9, kinds.TYPE_MESSAGE, once),
        "children": (10, kinds.TYPE_MESSAGE, many),
    }
    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test")
    message = file.message_type.add(name="Everything")
    for name, (number, kind, label) in rows.items():
        row = message.field.add(name=name, number=number, type=kind, label=label)
        if kind == kinds.TYPE_MESSAGE:
            row.type_name = ".test.Everything"
        elif name.startswith("packed"):
            row.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.Everything"))


int64 = st.integers(-(2**63), 2**63 - 1)
printable = st.characters(exclude_categories=("C", "Z"))
fp32 = st.floats(width=32, allow_nan=False)


@given(
    number=st.integers(-(2**31), 2**31 - 1),
    sizes=st.lists(int64, max_size=20),
    data=st.lists(fp32, max_size=20),
    doubles=st.lists(st.floats(allow_nan=False), max_size=20),
    name=st.text(printable, max_size=50),
    tops=st.lists(st.text(printable, max_size=10), max_size=5),
)
def test_what_googles_implementation_writes_is_read(
    number: int, sizes: list[int], data: list[float], doubles: list[float], name: str, tops: list[str]
) -> None:
    inner = {"sizes": sizes, "name": name}
    message = read(
        google_class()(
            flag=True, number=number, sizes=sizes, packed_sizes=sizes, alpha=0.5, data=data, packed_data=data,
            doubles=doubles, name=name, tops=tops, child=inner, children=[inner, {}, inner],
        ).SerializeToString()
    )  # fmt: skip
    assert message.integer(1) == 1
    assert message.integer(2, 7) == number
    assert message.integers(3) == message.integers(4) == sizes
    assert message.number(5, 0.0) == 0.5
    assert message.floats(6).tolist() == message.floats(7).tolist() == data
    assert message.doubles(8).tolist() == doubles
    assert message.text(100) == name
    assert message.texts(2000) == tops
    child = message.message(9, "child")
    assert child is not None and child.integers(3) == sizes
    assert [each.text(100) for each in message.messages(10, "child")] == [name, "", name]


def test_what_is_not_there_has_its_default() -> None:
    message = read(b"")
    assert (message.integer(1, 7), message.number(2, 0.25), message.text(3)) == (7, 0.25, "")
    assert message.message(4, "child") is None
    assert message.floats(5).tolist() == message.integers(5) == message.texts(5) == message.messages(5, "child") == []
    assert 1 not in message


def test_an_fp32_number_is_read_as_the_decimal_that_was_meant() -> None:
    assert read(field(1, 1e-4)).number(1, 0.0) == 1e-4


@given(st.lists(fp32, min_size=1, max_size=40), st.integers(0, 40), st.sampled_from([1, 15, 16, 5000]))
def test_numbers_are_read_packed_unpacked_and_in_pieces(numbers: list[float], cut: int, at: int) -> None:
    """A run of unpacked numbers is read at once: it has to end where the next field begins, or the file."""
    packed = np.array(numbers[:cut], "<f4").tobytes()
    content = field(at, packed) + b"".join(field(at, number) for number in numbers[cut:]) + field(at + 1, 1.5)
    assert read(content).floats(at).tolist() == numbers
    assert read(content).floats(at + 1).tolist() == [1.5]


def test_a_message_inside_is_named_in_errors() -> None:
    content = field(2, b"") + field(2, field(7, b"\x08"))
    layer = read(content).messages(2, "layer")[1]
    with pytest.raises(
        WeightsError, match=r"^net\.bin, layer 2, blob is damaged, or of another format: byte 1 begins "
    ):
        layer.message(7, "blob")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (field(1, b"abc")[:-1], "field 1 is cut off, 3 bytes long with 2 left"),
        (varint(1 << 3 | 2) + varint(2**63), r"field 1 is cut off, 9,223,372,036,854,775,808 bytes long with 0 left"),
        (field(1, 300)[:-1], "byte 1 begins no number"),
        (field(1, 0.5)[:-1], "a number is cut off at the end"),
        (b"\x80", "byte 0 begins no number"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "byte 1 begins no number"),  # 65 bits
        (b"\x08" + b"\x80" * 10 + b"\x00", "byte 1 begins no number"),
        (b"\x0b\x0c", "byte 0 begins no field"),  # a group, which no Caffe file has
        (b"\x00\x00", "byte 0 begins no field"),  # field 0
        (b"<html>", "cut off|begins no"),
    ],
)
def test_what_is_no_message_is_said(content: bytes, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason):
        read(content)


@pytest.mark.parametrize(
    ("content", "reader"),
    [
        (field(1, 5), "floats"),
        (field(1, 5), "text"),
        (field(1, 0.5), "integers"),
        (field(1, 0.5), "doubles"),
        (field(1, b"12345"), "floats"),
        (field(1, b"\x80"), "integers"),
    ],
)
def test_a_field_of_another_kind_is_refused(content: bytes, reader: str) -> None:
    with pytest.raises(WeightsError, match=r"field 1 is (a varint|4 bytes|5 bytes), |begins no number"):
        getattr(read(content), reader)(1)


def test_there_are_limits() -> None:
    read(field(1, 1) * MAX_FIELDS)
    with pytest.raises(WeightsError, match="more than 10,000 fields"):
        read(field(1, 1) * (MAX_FIELDS + 1))
    with pytest.raises(WeightsError, match="more than 10,000 numbers in field 1"):
        read(field(1, b"\x01" * (MAX_FIELDS + 1))).integers(1)
    read(field(1, "x" * MAX_TEXT)).text(1)
    with pytest.raises(WeightsError, match="a text of more than 1,000 bytes"):
        read(field(1, "x" * (MAX_TEXT + 1))).text(1)
    assert read(field(1, 0.5) * (2 * MAX_FIELDS)).floats(1).shape == (2 * MAX_FIELDS,)


def test_names_cannot_move_the_cursor_of_a_terminal() -> None:
    assert read(field(1, b"conv\x1b[2J\xff")).text(1) == "conv\ufffd[2J\ufffd"


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_a_sentence(content: bytes) -> None:
    try:
        message = read(content)
    except WeightsError:
        return
    for number in range(1, 20):
        for reader in (message.floats, message.doubles, message.integers, message.texts):
            with suppress(WeightsError):
                reader(number)
