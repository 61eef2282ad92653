"""What lies in the folder that commands keep things in: stores, downloads, models, weights, and unfinished work."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alexnet.data.unfinished import JOURNAL, Chunk, claimed
from alexnet.errors import DataError, unknown

FOLDERS: Final = {"stores": "store", "downloads": "download", "models": "model", "weights": "weights"}
"""The folders in that place, and what lies in each."""


@dataclass(frozen=True)
class Kept:
    """One thing that is kept.

    `name` is its own name, by which it is removed; `kind` one of the values of `FOLDERS`; `bytes` its size on the disk;
    `detail` what it is, in words; `seconds` when it was last changed, since 1970.
    """

    name: str
    kind: str
    unfinished: bool
    path: Path
    bytes: int
    detail: str
    seconds: float


def kept(home: Path) -> list[Kept]:
    """All that is kept there, by folder and name; what is hidden or a lock is not listed."""
    found = []
    for folder, kind in FOLDERS.items():
        for path in sorted((home / folder).iterdir()) if (home / folder).is_dir() else ():
            if path.name.startswith(".") or path.suffix == ".lock":
                continue
            unfinished = path.suffix in (".partial", ".part")
            files = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
            size = sum(file.stat().st_size for file in files)
            changed = max([path.lstat().st_mtime, *(file.stat().st_mtime for file in files)])
            found.append(Kept(path.name, kind, unfinished, path, size, _detail(path, kind, unfinished), changed))
    return found


def remove(home: Path, names: Iterable[str]) -> list[Kept]:
    """Delete what has these names, and say what that was.

    Raises ConfigError for a name that is not kept, BusyError for a store that another process is preparing, both before
    anything is deleted; DataError when the system does not let go of something.
    """
    there = {thing.name: thing for thing in kept(home)}
    names = list(dict.fromkeys(names))
    if strange := [name for name in names if name not in there]:
        raise unknown("kept thing", strange[0], there)
    things = [there[name] for name in names]
    for thing in things:
        if thing.kind == "store" and thing.unfinished:
            with claimed(thing.path):
                pass
    for thing in things:
        try:
            if thing.path.is_dir() and not thing.path.is_symlink():
                shutil.rmtree(thing.path)
            else:
                thing.path.unlink()
        except OSError as error:
            raise DataError(f"{thing.path} cannot be removed ({error.strerror}).") from error
    return things


def _detail(path: Path, kind: str, unfinished: bool) -> str:
    if kind == "store" and unfinished:
        plan = _json(path / "plan.json")
        return f"{plan.get('source', 'unknown')}, {sum(_photographs(path / JOURNAL)):,} photographs so far"
    if kind == "store":
        manifest = _json(path / "manifest.json")
        images = manifest.get("counts", {}).get("images", 0)
        return f"{manifest['source']['name']}, {images:,} photographs" if "source" in manifest else "no store"
    return ""


def _photographs(journal: Path) -> Iterator[int]:
    """The photographs in each whole line of a journal."""
    lines = journal.read_bytes().splitlines(keepends=True) if journal.is_file() else []
    for line in lines:
        try:
            yield len(Chunk.from_line(line).records)
        except ValueError:  # the end of an interrupted one
            return


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
