"""The picture of the rooms, from the table of test_architecture.py: `python tests/rooms.py` writes docs/rooms.svg."""

import ast
import textwrap
from collections.abc import Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "rooms.svg"

WIDE, HIGH = 350, 80  # a room
ACROSS, DOWN = 20, 30  # between rooms
LETTERS = 52  # of a line in a room
STYLE = "text{font:12px sans-serif;fill:#333} .name{font-weight:bold;font-size:14px;fill:#000}"


def drawing(rooms: Mapping[str, set[str]]) -> str:
    """An SVG: every room with the first sentence of its docstring, arrows to what it imports.

    A room is one row below the lowest that imports it, and a room alone in its row is in the middle of those. An arrow
    is left out where others lead there.
    """
    arrows = {
        room: sorted(below - {far for near in below for far in rooms[near]}) for room, below in sorted(rooms.items())
    }
    rows: dict[int, list[str]] = {}
    for room in arrows:
        rows.setdefault(depth(room, rooms), []).append(room)
    most = max(map(len, rows.values()))
    wide = most * WIDE + (most + 1) * ACROSS
    place: dict[str, tuple[int, int]] = {}
    for level, row in sorted(rows.items()):
        above = [place[room][0] for room in place if row[0] in arrows[room]] if len(row) == 1 else []
        left = sum(above) // len(above) if above else (wide - len(row) * (WIDE + ACROSS) + ACROSS) // 2
        for index, room in enumerate(row):
            place[room] = left + index * (WIDE + ACROSS), DOWN + level * (HIGH + DOWN)
    high = DOWN + len(rows) * (HIGH + DOWN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}">',
        "<title>The rooms of the package: each imports only rooms below it</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0,1 L7,4 L0,7" fill="none" stroke="#777"/></marker></defs>',
        f'<rect width="{wide}" height="{high}" fill="#fff"/>',
    ]
    for room, below in arrows.items():
        for other in below:
            (x, y), (u, v) = place[room], place[other]
            parts.append(
                f'<line x1="{x + WIDE // 2}" y1="{y + HIGH}" x2="{u + WIDE // 2}" y2="{v}" stroke="#777" '
                'marker-end="url(#head)"/>'
            )
    for room, (x, y) in sorted(place.items()):
        parts.append(f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" fill="#f4f6f8" stroke="#9aa5b1"/>')
        parts.append(f'<text class="name" x="{x + 12}" y="{y + 21}">{room}/</text>')
        parts += [
            f'<text x="{x + 12}" y="{y + 39 + 15 * number}">{escape(line)}</text>'
            for number, line in enumerate(textwrap.wrap(sentence(room), LETTERS))
        ]
    return "\n".join([*parts, "</svg>", ""])


def depth(room: str, rooms: Mapping[str, set[str]]) -> int:
    """0 for a room that none imports, otherwise one more than the lowest that imports it."""
    return max((depth(other, rooms) + 1 for other in rooms if room in rooms[other]), default=0)


def sentence(room: str) -> str:
    """The first paragraph of the room's docstring."""
    text = ast.get_docstring(ast.parse((ROOT / "alexnet" / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


if __name__ == "__main__":
    from test_architecture import ROOMS

    PICTURE.write_text(drawing(ROOMS), encoding="utf-8")
