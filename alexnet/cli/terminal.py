"""Words and numbers as a person reads them: percentages, durations, sizes, tables, bars."""

import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import click
from rich.cells import cell_len

from alexnet.hardware import size as size

WIDTH = 100  # of a line of JSON
EIGHTHS = " ▏▎▍▌▋▊▉█"


# What a terminal obeys, control characters and changes of the direction of writing, as the escapes that Python writes.
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SHOWN = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_SHOWN |= {code: f"\\u{code:04x}" for code in _DIRECTIONS}


def shown(text: str) -> str:
    """The text with what a terminal obeys shown, for names that come from elsewhere: a terminal must not obey them."""
    return text.translate(_SHOWN)


def named(name: str) -> str:
    """A name as it may stand in a line: `shown`, ends of lines and tabs too."""
    return shown(name).replace("\n", "\\n").replace("\t", "\\t")


class Shown:
    """A text stream on which nothing that is written is obeyed by a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text as `shown` gives it."""
        return self._stream.write(shown(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def percent(share: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 in per cent; a dash for None."""
    return "–" if share is None else f"{share:.{digits}%}".replace("%", " %")


def counted(count: float, noun: str) -> str:
    """A number with its noun, in the plural where it has to be."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds in the two largest units that matter."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def names(listed: Sequence[str], shown: int = 6) -> str:
    """The first of some names, and how many more there are."""
    more = len(listed) - shown
    return ", ".join(listed) if more <= 0 else f"{', '.join(listed[:shown])}, … ({more:,} more)"


def bar(share: float, width: int = 20) -> str:
    """A share from 0 to 1 as a bar of at most `width` characters."""
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return "#" * round(share * width)
    eighths = round(share * width * 8)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, total: Sequence[str] = ()) -> None:
    """Prints rows on standard output; the names of columns of numbers begin with ">".

    Never cut to the width of a terminal: a pipe gets whole lines.
    """
    lines = [[name.removeprefix(">") for name in columns], *rows, *([total] if total else [])]
    lines = [[named(cell) for cell in line] for line in lines]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (
            " " * (width - cell_len(cell)) + cell if name.startswith(">") else cell + " " * (width - cell_len(cell))
            for name, cell, width in zip(columns, line, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def print_json(value: Any) -> None:
    """Prints JSON on standard output: rows of numbers and short objects on one line each, the rest indented."""
    click.echo(_json(value, ""))


def _json(value: Any, indent: str) -> str:
    line = json.dumps(value)
    items = list(value.values() if isinstance(value, dict) else value) if isinstance(value, dict | list | tuple) else []
    flat = not any(isinstance(item, dict | list | tuple) for item in items)
    if flat and (len(line) <= WIDTH or not isinstance(value, dict)):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {_json(item, deeper)}" for key, item in value.items()]
    else:
        lines = [_json(item, deeper) for item in items]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{deeper}" + f",\n{deeper}".join(lines) + f"\n{indent}{last}"
