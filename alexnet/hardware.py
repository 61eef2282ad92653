"""What the system tells of this machine and of this process: the processor's name, memory, page faults."""

import platform
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


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
