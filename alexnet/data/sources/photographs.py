"""Which of the files that people keep are photographs: one rule for every verb."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

SYSTEM: Final = frozenset(
    {
        *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),  # macOS, Windows
        *("@eadir", "#recycle", "@recycle", "#snapshot", "@snapshot"),  # network storage; @eaDir holds thumbnails
        *("$recycle.bin", "system volume information", "lost+found"),
    }
)
"""Names, in lower case, of what systems put among files; a folder of such a name is passed over with all in it."""

NOT_PHOTOGRAPHS: Final = frozenset(
    {
        *(".csv", ".db", ".html", ".ini", ".json", ".log", ".mat", ".md", ".npy", ".pdf"),
        *(".py", ".sh", ".tsv", ".txt", ".xml", ".yaml", ".yml"),
        *(".aae", ".lnk", ".thm", ".url", ".xmp"),  # what cameras, telephones and desktops put beside a photograph
        *(".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"),
        *(".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip"),
    }
)
"""Suffixes that may lie among photographs; a file with any other counts as one, to be loaded or refused."""

_TEXTS = frozenset({"authors", "changelog", "copying", "licence", "license", "makefile", "notice", "readme"})


def is_hidden(name: str) -> bool:
    """Whether a file or a folder of this name (not a path) is hidden, or the system's own."""
    return name.startswith(".") or name.lower() in SYSTEM


def is_photograph(path: str) -> bool:
    """Whether a file that is not hidden counts as a photograph, whatever its ending."""
    name = PurePosixPath(path).name.lower()
    return PurePosixPath(name).suffix not in NOT_PHOTOGRAPHS and name not in _TEXTS


def passed_over(others: Iterable[str], hidden: Iterable[str] = ()) -> str | None:
    """A sentence that counts what was left out: files that are no photographs, and names that `is_hidden` hides."""
    kinds = Counter(PurePosixPath(path).suffix.lower() or PurePosixPath(path).name for path in others)
    kinds.update("hidden" if name.startswith(".") else name.strip() for name in hidden)
    if not kinds:
        return None
    listed = [f"{count:,} {kind}" for kind, count in sorted(kinds.items(), key=lambda each: (-each[1], each[0]))]
    more = f" and {sum(kinds.values()) - sum(sorted(kinds.values())[-5:]):,} more" if len(listed) > 5 else ""
    things = "thing that is no photograph" if kinds.total() == 1 else "things that are no photographs"
    return f"Passed over {kinds.total():,} {things}: {', '.join(listed[:5])}{more}."


def alike_but_for_capitals(classes: Iterable[str]) -> str | None:
    """A sentence on classes whose names differ in capitals alone."""
    classes = set(classes)
    folded = Counter(name.casefold() for name in classes)
    near = sorted(name for name in classes if folded[name.casefold()] > 1)
    return f"Classes whose names differ in capitals alone are taken for different ones: {few(near)}." if near else None


def few(names: Iterable[str]) -> str:
    """The names for a sentence, at most five of them."""
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
