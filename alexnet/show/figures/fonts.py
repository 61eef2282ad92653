"""Which fonts a text is drawn in, how wide it is, and what no font here has a glyph for."""

import re
from collections.abc import Iterable
from functools import cache

from matplotlib.font_manager import FontProperties, findSystemFonts, fontManager, get_font
from matplotlib.textpath import TextToPath

BASE = "DejaVu Sans"  # comes with matplotlib
MISSING = "□"
_APART = re.compile(r" \([^()]*\)$")
# What is tried for a character that the base lacks, the first that is installed and has it.
FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB",
    "Heiti SC", "Malgun Gothic", "Arial Unicode MS", "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew",
    "Noto Sans Devanagari", "Noto Sans Thai", "FreeSans", "Unifont",
)  # fmt: skip


def drawable(text: str) -> str:
    """The text on one line, with `MISSING` in place of every character that no font here has."""
    plain = "".join(each if each.isprintable() else " " for each in text)
    return "".join(each if _family_with(each) else MISSING for each in plain)


def undrawable(texts: Iterable[str]) -> str:
    """The characters of the texts that no font here has, each once."""
    return "".join(dict.fromkeys(each for text in texts for each in text if each.isprintable() and not _has(each)))


def families(text: str) -> tuple[str, ...]:
    """The families that together have all of the text's glyphs, `BASE` first."""
    return tuple(dict.fromkeys([BASE, *filter(None, (_family_with(each) for each in text))]))


@cache
def width(text: str, size: float, bold: bool = False) -> float:
    """Inches that a line of text takes at `size` points, as it is drawn."""
    text = drawable(text)
    return float(TextToPath().get_text_width_height_descent(text, properties(text, size, bold), ismath=False)[0]) / 72


def properties(text: str, size: float, bold: bool) -> FontProperties:
    """The font for a text at `size` points."""
    found = families(text)
    weight = "bold" if bold and all(map(_is_bold, found)) else "normal"
    return FontProperties(family=list(found), size=size, weight=weight)


def fitted(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """The text if it takes no more than `room` inches, else as much of it as does, with … where it is cut.

    That is before an end in parentheses, where there is room for it: it tells classes of one name apart.
    """
    text = drawable(text)
    if width(text, size, bold) <= room:
        return text
    found = _APART.search(text)
    end = "…" + found[0] if found and width("…" + found[0], size, bold) <= room else "…"
    low, high = 0, len(text) - len(end) + 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width(text[:middle] + end, size, bold) <= room else (low, middle - 1)
    return text[:low].rstrip() + end


def wrapped(text: str, room: float, size: float, *, bold: bool = False) -> list[str]:
    """The text in lines of at most `room` inches, broken at spaces; a longer word is cut."""
    lines: list[str] = []
    for word in drawable(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, size, bold) <= room:
            lines[-1] = longer
        else:
            lines.append(fitted(word, room, size, bold=bold))
    return lines


def _has(character: str) -> bool:
    return _family_with(character) is not None


@cache
def _family_with(character: str) -> str | None:
    if ord(character) in _glyphs(BASE):
        return BASE
    return next((name for name in _installed() if ord(character) in _glyphs(name)), None)


@cache
def _installed() -> tuple[str, ...]:
    """Those of `FALLBACKS` that are installed, also where matplotlib's list of fonts is older than they are."""
    listed = {font.fname for font in fontManager.ttflist}
    for path in findSystemFonts():
        if path not in listed:
            try:
                fontManager.addfont(path)
            except (OSError, RuntimeError, ValueError):  # a file that only looks like a font
                continue
    names = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FALLBACKS if name in names)


@cache
def _is_bold(family: str) -> bool:
    """Whether there are bold letters of the family; matplotlib complains of those that it does not find."""
    return any(font.name == family and font.weight in ("bold", 700) for font in fontManager.ttflist)


@cache
def _glyphs(family: str) -> frozenset[int]:
    path = fontManager.findfont(FontProperties(family=[family]), fallback_to_default=False)
    return frozenset(get_font(path).get_charmap())
