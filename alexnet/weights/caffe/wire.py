"""Protocol buffers on the wire, read without generated code and without trust in the file.

A message is a run of fields, each a number and a value of one of four kinds: a varint, 8 bytes, 4 bytes, or counted
bytes (text, a message inside, packed numbers). What the numbers mean is the reader's business. A message inside is
parsed when it is asked for, so that nothing here is recursive and the depth is the reader's own.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet.errors import WeightsError

MAX_FIELDS = 10_000  # of one message, a run of unpacked numbers counted once
MAX_TEXT = 1_000  # bytes
_VARINT, _EIGHT, _COUNTED, _FOUR = 0, 1, 2, 5
_WIDTH = {_EIGHT: 8, _FOUR: 4}
_KINDS = {_VARINT: "a varint", _EIGHT: "8 bytes", _COUNTED: "counted bytes", _FOUR: "4 bytes"}

Value = int | memoryview  # of a run of 8 or 4 bytes: all of them, one after the other


class Message:
    """The fields of a message by number; `where` names it in errors ("net.caffemodel, layer 3").

    Fields that nobody asks for are skipped, as the format demands. Raises WeightsError when the bytes are no message or
    hold more than `MAX_FIELDS`; the readers below raise it when a field is there, but of another kind.
    """

    def __init__(self, content: memoryview, where: str) -> None:
        self.where = where
        self._fields: dict[int, list[tuple[int, Value]]] = {}
        position = count = 0
        while position < len(content):
            start = position
            key, position = self._varint(content, position)
            field, kind = key >> 3, key & 7
            value: Value
            if kind == _VARINT:
                value, position = self._varint(content, position)
            elif kind in _WIDTH:
                value, position = self._run(content, start, position, _WIDTH[kind])
            elif kind == _COUNTED:
                size, position = self._varint(content, position)
                value = content[position : position + size]
                if len(value) < size:
                    raise self.damaged(f"field {field} is cut off, {size:,} bytes long with {len(value):,} left")
                position += size
            if not field or kind not in _KINDS:
                raise self.damaged(f"byte {start} begins no field")
            count += 1
            if count > MAX_FIELDS:
                raise self.damaged(f"more than {MAX_FIELDS:,} fields")
            self._fields.setdefault(field, []).append((kind, value))

    def damaged(self, reason: str) -> WeightsError:
        """The error that says what is wrong with this message."""
        return WeightsError(f"{self.where} is damaged, or of another format: {reason}; download it again.")

    def __contains__(self, field: int) -> bool:
        return field in self._fields

    def messages(self, field: int, name: str) -> list["Message"]:
        """The messages in a repeated field; in errors they are `name` with their number from 1."""
        found = self._values(field, _COUNTED)
        return [Message(value, f"{self.where}, {name} {number}") for number, (_, value) in enumerate(found, start=1)]

    def message(self, field: int, name: str) -> "Message | None":
        """The message in a field, the last where there are several; None where there is none."""
        found = self._values(field, _COUNTED)
        return Message(found[-1][1], f"{self.where}, {name}") if found else None

    def texts(self, field: int) -> list[str]:
        """The texts in a repeated field, what cannot be read or printed replaced; at most `MAX_TEXT` bytes each."""
        found = [bytes(value[: MAX_TEXT + 1]) for _, value in self._values(field, _COUNTED)]
        if any(len(text) > MAX_TEXT for text in found):
            raise self.damaged(f"field {field} holds a text of more than {MAX_TEXT:,} bytes")
        texts = (text.decode("utf-8", "replace") for text in found)
        return ["".join(each if each.isprintable() else "\ufffd" for each in text) for text in texts]

    def text(self, field: int) -> str:
        """The text in a field, empty where there is none."""
        return (self.texts(field) or [""])[-1]

    def content(self, field: int) -> memoryview:
        """The bytes in a field, none where there is none; a view of the file."""
        found = self._values(field, _COUNTED)
        return found[-1][1] if found else memoryview(b"")

    def integers(self, field: int) -> list[int]:
        """The signed integers in a repeated field, packed or not."""
        found: list[int] = []
        for kind, value in self._fields.get(field, ()):
            if isinstance(value, int):
                found.append(value)
            elif kind == _COUNTED:
                position = 0
                while position < len(value) and len(found) <= MAX_FIELDS:
                    number, position = self._varint(value, position)
                    found.append(number)
            else:
                raise self._wrong(field, kind, _VARINT)
        if len(found) > MAX_FIELDS:
            raise self.damaged(f"more than {MAX_FIELDS:,} numbers in field {field}")
        return [number - (1 << 64) if number >> 63 else number for number in found]

    def integer(self, field: int, default: int = 0) -> int:
        """The signed integer (or enum, or truth) in a field."""
        return (self.integers(field) or [default])[-1]

    def floats(self, field: int) -> NDArray[np.float32]:
        """The fp32 numbers in a repeated field, packed or not; a view of the file where they are packed in one run."""
        numbers: NDArray[np.float32] = self._numbers(field, _FOUR, "<f4")
        return numbers

    def doubles(self, field: int) -> NDArray[np.float64]:
        """The fp64 numbers in a repeated field, packed or not."""
        numbers: NDArray[np.float64] = self._numbers(field, _EIGHT, "<f8")
        return numbers

    def number(self, field: int, default: float) -> float:
        """The fp32 number in a field as the shortest decimal that rounds to it: 0.0001, not 0.0000999999975."""
        found = self.floats(field)
        return float(str(found[-1])) if found.size else default

    def _numbers(self, field: int, unpacked: int, dtype: str) -> NDArray[Any]:
        parts = []
        for _, value in self._values(field, unpacked, _COUNTED):
            if len(value) % _WIDTH[unpacked]:
                raise self.damaged(f"field {field} is {len(value):,} bytes, which hold no whole numbers")
            parts.append(np.frombuffer(value, dtype))
        return parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty(0, dtype)])

    def _values(self, field: int, *kinds: int) -> list[tuple[int, memoryview]]:
        """The values of a field whose kind is one of those, none of them varints."""
        found = []
        for kind, value in self._fields.get(field, ()):
            if kind not in kinds or isinstance(value, int):
                raise self._wrong(field, kind, kinds[0])
            found.append((kind, value))
        return found

    def _wrong(self, field: int, found: int, expected: int) -> WeightsError:
        return self.damaged(f"field {field} is {_KINDS[found]}, expected {_KINDS[expected]}")

    def _varint(self, content: memoryview, position: int) -> tuple[int, int]:
        """The unsigned number at `position`, seven bits a byte, and the position after it."""
        value = 0
        for shift, byte in enumerate(content[position : position + 10]):
            value |= (byte & 0x7F) << (7 * shift)
            if byte < 0x80:
                if value >> 64:
                    break
                return value, position + shift + 1
        raise self.damaged(f"byte {position} begins no number")

    def _run(self, content: memoryview, start: int, position: int, width: int) -> tuple[memoryview, int]:
        """The `width` bytes at `position` and those of the equal fields behind, and the position after them.

        A field's key begins at `start`. A list of unpacked numbers would else be an object a number.
        """
        tag = position - start
        whole = (len(content) - start) // (tag + width)
        if not whole:
            raise self.damaged("a number is cut off at the end")
        rows = np.frombuffer(content, np.uint8, whole * (tag + width), start).reshape(whole, tag + width)
        taken = 1
        while taken < whole:  # twice as far each time: the work is that of the run, whatever follows it
            same = (rows[taken : 2 * taken, :tag] == rows[0, :tag]).all(axis=1)
            taken += len(same) if same.all() else int(same.argmin())
            if not same.all():
                break
        return memoryview(rows[:taken, tag:].tobytes()), start + taken * (tag + width)
