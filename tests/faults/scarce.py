"""Machines that lack something: room, memory, descriptors, permission, a clock that runs forwards."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

from faults.processes import SHARED
from faults.trials import Trials

NOBODY = 65534
DISK = 128 << 20  # bytes of the disk that is filled
Trial = Callable[[], None]


def scarcities(trials: Trials, disk: Trials | None, names: list[str]) -> tuple[list[Trial], dict[str, str]]:
    """All trials of jobs on machines that lack something, and why kinds are left out here.

    `disk` has its folder on a small disk of its own, or is None where none can be made.
    """
    todo: list[Trial] = []
    skipped: dict[str, str] = {}
    for name in names:
        todo += [partial(_limited, trials, name, resource.RLIMIT_NOFILE, more) for more in (0, 1, 2, 3, 5, 8)]
        todo += [partial(_limited, trials, name, resource.RLIMIT_AS, more << 20) for more in (0, 1, 4, 16, 48, 128)]
        todo += [partial(_backwards, trials, name, each, seconds) for each, seconds in ((1, 1), (7, 40_000))]
    if disk is None:
        skipped["full disk"] = skipped["read-only disk"] = skipped["small /dev/shm"] = "no small disk can be mounted"
    else:
        for name in names:
            todo += [partial(_full, disk, name, share) for share in (0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95)]
            todo.append(partial(_on, disk, name, "read-only disk", partial(_read_only, disk.folder.parent)))
            for options in ("size=4k", "ro"):
                todo.append(partial(_on, trials, name, "small /dev/shm", partial(_shared, options)))
    if reason := _why_nobody_cannot_be(trials):
        skipped["no permission"] = reason
    else:
        for name in names:
            todo += [partial(_forbidden, trials, name, mode) for mode in (0o755, 0o700)]
    group = _memory_group()
    if isinstance(group, str):
        skipped["memory of a control group"] = group
    else:
        for name in names:
            todo += [partial(_grouped, trials, name, group, size << 20) for size in (4, 12, 24, 48, 100)]
    return todo, skipped


def _limited(trials: Trials, name: str, kind: int, more: int) -> None:
    """So many descriptors or bytes more than the process has."""
    of_files = kind == resource.RLIMIT_NOFILE

    def limit() -> None:
        if of_files:
            resource.setrlimit(kind, (64, 64))
            taken: list[int] = []
            with suppress(OSError):
                while True:
                    taken.append(os.dup(0))
            for file in taken[len(taken) - more :]:
                os.close(file)
        else:
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + more
            resource.setrlimit(kind, (size, size))

    trials.begin(name)
    what = "few descriptors" if of_files else "little memory"
    trials.outcome(what, name, f"{what} ({more:,} more)", *trials.work(name, before=limit))


def _backwards(trials: Trials, name: str, each: int, seconds: int) -> None:
    trials.begin(name)
    before = partial(trials.library.fault_clock, each, seconds)
    trials.outcome("clock that runs backwards", name, "a clock that runs backwards", *trials.work(name, before=before))


def _full(disk: Trials, name: str, share: float) -> None:
    """A disk with room for that share of what the job makes."""
    disk.begin(name)
    made = disk.sizes[name]
    place = disk.folder.parent
    filler = place / "filler"
    free = os.statvfs(place)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - int(share * made)))
    status, words = disk.work(name)
    filler.unlink()
    disk.outcome("full disk", name, f"a disk with room for {share:.0%}", status, words)


def _on(trials: Trials, name: str, what: str, around: Callable[[], AbstractContextManager[None]]) -> None:
    trials.begin(name)
    with around():
        status, words = trials.work(name)
    trials.outcome(what, name, f"a {what}", status, words)


@contextmanager
def _read_only(place: Path) -> Iterator[None]:
    _run("mount", "-o", "remount,ro", place)
    try:
        yield
    finally:
        _run("mount", "-o", "remount,rw", place)


@contextmanager
def _shared(options: str) -> Iterator[None]:
    _run("mount", "-t", "tmpfs", "-o", options, "none", SHARED)
    try:
        yield
    finally:
        _run("umount", SHARED)


def _forbidden(trials: Trials, name: str, mode: int) -> None:
    """Another user, who may read what is given and write nothing, or may do neither."""
    trials.begin(name)
    given = trials.folder.parent / "given"
    given.chmod(mode)
    status, words = trials.work(name, before=_become_nobody)
    given.chmod(0o755)
    if not status:
        trials.wrong(f"{name} does what nobody may do")
    trials.outcome("no permission", name, "no permission", status, words)


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _why_nobody_cannot_be(trials: Trials) -> str:
    """Why no process can become another user here who can read the programs; empty if one can."""
    from faults.processes import fork

    def become() -> None:
        _become_nobody()
        os.listdir(trials.folder.parent)

    status, words = fork(become)
    return words if status else ""


def _memory_group() -> Path | str:
    """A control group for memory, of version 2 or 1; or why there is none."""
    try:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields, _, kind = line.partition(" - ")
            place = Path(fields.split()[4])
            unified = kind.startswith("cgroup2 ") and "memory" in (place / "cgroup.subtree_control").read_text().split()
            if unified or (kind.startswith("cgroup ") and "memory" in kind.split()[2].split(",")):
                group = place / f"alexnet-faults-{os.getpid()}"
                group.mkdir(exist_ok=True)
                return group
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    return "no control group for memory is mounted"


def _grouped(trials: Trials, name: str, group: Path, size: int) -> None:
    """So much memory for the job and its workers together, which the system enforces by kills."""
    trials.begin(name)
    limits = [group / each for each in ("memory.max", "memory.limit_in_bytes")]
    next(each for each in limits if each.exists()).write_text(str(size))

    def enter() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))

    status, words = trials.work(name, before=enter)
    what = "memory of a control group"
    trials.outcome(what, name, f"{size >> 20} MiB {what}", status, words, killed=True)


def close() -> None:
    """Removes what was made for memory."""
    group = _memory_group()
    if isinstance(group, Path):
        with suppress(OSError):
            group.rmdir()


def small_disk(place: Path) -> str:
    """Mounts a small disk at the place, and an empty /dev/shm of this program's own; why not, or an empty text."""
    place.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", place)
        _run("mount", "-t", "tmpfs", "-o", "size=64m", "none", SHARED)
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)
    return ""


def _run(*command: object) -> None:
    subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL)
