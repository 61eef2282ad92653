"""Jobs stopped in many ways in a folder, and run again: what came of them is counted."""

import ctypes
import errno
import mmap
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from faults import jobs
from faults.processes import SHARED, Meanwhile, fork, orphans

KINDS = ("open", "write", "read", "fsync", "rename", "mkdir", "close", "appear")  # what inject.c counts
CALLS = ("open", "write", "short write", "read", "fsync", "rename", "mkdir", "close")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EMFILE)


class Trouble(Exception):
    """Something that must not happen."""


class Trials:
    """Jobs in `base`/at. `alone`: /dev/shm is this program's, so that what is left there can be told."""

    def __init__(self, base: Path, counts: Counter[str], alone: bool) -> None:
        self.folder, self.counts, self._alone = base / "at", counts, alone
        self.expected: dict[str, str] = {}
        self.lasts: dict[str, float] = {}  # seconds
        self.calls: dict[str, dict[str, int]] = {}  # of each kind, in an undisturbed run
        self.sizes: dict[str, int] = {}  # bytes
        self.library = ctypes.CDLL(None)
        self.library.fault_seen.restype, self.library.fault_seen.argtypes = ctypes.c_long, [ctypes.c_char_p]
        self.library.fault_arm.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int]
        self.library.fault_clock.argtypes = [ctypes.c_long, ctypes.c_long]

    def begin(self, name: str) -> None:
        """Makes the folder as it is before the job; and what the job makes when nothing happens, the first time."""
        before = self.folder.parent / "before" / name
        if name not in self.expected:
            jobs.begin(name, self.folder)
            shutil.copytree(self.folder, before)
            modules = before.with_suffix(".modules")
            began, seen = time.monotonic(), mmap.mmap(-1, 8 * len(KINDS))

            def count() -> None:
                self.arm("open", 0, 0)
                jobs.JOBS[name].run(self.folder)
                modules.write_text("\n".join(sys.modules))
                seen.write(b"".join(self.library.fault_seen(kind.encode()).to_bytes(8, "little") for kind in KINDS))

            status, words = fork(count)
            self.lasts[name] = time.monotonic() - began
            numbers = [int.from_bytes(seen[at : at + 8], "little") for at in range(0, len(seen), 8)]
            self.calls[name] = dict(zip(KINDS, numbers, strict=True))
            for module in modules.read_text().split() if modules.exists() else ():
                with suppress(Exception):  # once for all processes to come, some of which may not be able to
                    import_module(module)
            if status:
                self.wrong(f"{name} fails without a fault: {words}")
            self.expected[name] = jobs.digest(name, self.folder)
            self.sizes[name] = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        shutil.rmtree(self.folder)
        shutil.copytree(before, self.folder)

    def work(
        self, name: str, meanwhile: Meanwhile | None = None, before: Callable[[], object] = int
    ) -> tuple[int, str]:
        """The job, in a process of its own, after `before` there: how it ends, and its last words."""

        def work() -> None:
            before()
            jobs.JOBS[name].run(self.folder)

        return fork(work, *([meanwhile] if meanwhile else []))

    def again(self, name: str, what: str) -> None:
        """The next run must make what an undisturbed one makes, and nothing else may be left."""
        left = orphans()
        status, words = self.work(name)
        if left:
            self.wrong(f"after {what}, {name} leaves {left} processes at work")
        if status:
            self.wrong(f"after {what}, {name} does not go on: {status}, {words}")
        if jobs.digest(name, self.folder) != self.expected[name]:
            self.wrong(f"after {what}, {name} makes something else")
        if found := jobs.leftovers(self.folder):
            self.wrong(f"after {what}, {name} leaves {found}")
        if self._alone and (found := os.listdir(SHARED)):
            self.wrong(f"after {what}, {name} leaves {found} in {SHARED}")

    def wrong(self, what: str) -> None:
        """Raises Trouble."""
        raise Trouble(what)

    def count(self, kind: str, *more: str) -> None:
        """One more of the kind, and of what is said more of it."""
        self.counts.update([kind, *(f"{kind}: {each}" for each in more)])

    def arm(self, call: str, k: int, error: int) -> None:
        """Makes the k-th such call fail in this process, on what the job makes and on what it is given."""
        kind = call.removeprefix("short ")
        self.library.fault_arm(str(self.folder.parent).encode(), kind.encode(), k, error, int(kind != call))

    def armed(self, name: str, call: str, k: int, error: int) -> tuple[int, str]:
        """The job, in a process in which the k-th such call fails."""
        return self.work(name, before=lambda: self.arm(call, k, error))

    def inject(self, name: str, call: str, k: int, error: int) -> None:
        """Makes the k-th call fail, and runs the job again."""
        self.begin(name)
        self.outcome(
            "failing calls",
            name,
            f"{call} {k} failing with {errno.errorcode[error]}",
            *self.armed(name, call, k, error),
        )

    def outcome(self, kind: str, name: str, what: str, status: int, words: str, killed: bool = False) -> None:
        """A job that met something has ended so, which must be well or with a sentence; it is run again."""
        if not (status in (0, 10) or (killed and status == -9)):
            self.wrong(f"{what} ends {name} with {status}: {words}")
        self.again(name, what)
        self.count(kind, {0: "no harm", 10: "a sentence"}.get(status, "killed by the system"))
