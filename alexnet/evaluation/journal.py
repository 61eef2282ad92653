"""A journal of work: a line of JSON for each piece that is done, with a checksum; it only grows."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

from alexnet.errors import DataError


def sealed(state: dict[str, Any]) -> bytes:
    """The line that says how far the work is."""
    text = json.dumps(state).encode()
    return b"%s %08x\n" % (text, zlib.crc32(text))


def last(journal: Path, start: dict[str, Any]) -> dict[str, Any]:
    """What the last whole line says, `start` if there is none; half a line behind it, of a killed process, is cut off.

    Raises DataError when the line is damaged.
    """
    if not journal.is_file():
        return start
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(journal, len(whole))
    if not whole:
        return start
    text, _, checksum = whole[:-1].rpartition(b"\n")[2].rpartition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        raise DataError(f"{journal} is damaged; delete its folder and begin again.")
    state: dict[str, Any] = json.loads(text)
    return state
