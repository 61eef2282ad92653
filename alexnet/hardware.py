"""What the system tells of this machine and of this process: processor, cores, memory, page faults."""

import math
import os
import platform
import sys
from collections.abc import Collection
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_GROUPS = Path("/sys/fs/cgroup")
_TOPOLOGY = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def size(count: float) -> str:
    """Bytes in decimal units, as disks are sold."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes; 0 where the system does not tell."""
    if resource is None:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # Linux counts in KiB


def page_faults() -> int:
    """How often the system had to find this process a page of memory so far; 0 where it does not tell."""
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def processor() -> str:
    """The processor's name as the system gives it; with its family and model, where one name stands for several."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "model name" not in told:
        return platform.processor() or platform.machine()
    generation = [f"{key.split()[-1]} {told[key]}" for key in ("cpu family", "model") if key in told]
    return told["model name"] + (f" ({', '.join(generation)})" if generation else "")


def cores() -> int:
    """The number of processors that this process may keep busy, as affinity and control group allow."""
    return _granted(_processors())


def physical_cores() -> int:
    """The same without second hardware threads, which share a core's arithmetic."""
    siblings = set()
    for number in _processors():
        try:
            siblings.add(Path(_TOPOLOGY.format(number)).read_text(encoding="ascii"))
        except OSError:  # what cannot be told apart counts as a core
            siblings.add(str(number))
    return _granted(siblings)


def _processors() -> Collection[int]:
    """The numbers of the processors that this process may run on."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


def _granted(processors: Collection[object]) -> int:
    """How many of `processors` the time suffices for that the control group grants this process."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):  # version 2, version 1
        try:
            quota, period = " ".join((_GROUPS / name).read_text(encoding="ascii") for name in names).split()
        except (OSError, ValueError):
            continue
        if quota not in ("max", "-1"):
            return min(len(processors), max(1, math.ceil(int(quota) / int(period))))
    return len(processors)
