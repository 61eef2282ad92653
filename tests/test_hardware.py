"""What the system tells of this process, against its own books."""

import mmap
from pathlib import Path

import pytest

from alexnet.hardware import page_faults, peak_memory


def test_peak_memory_is_in_bytes() -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("only Linux tells in another way")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    # the system counts pages in batches
    assert peak_memory() == pytest.approx(int(line.split()[1]) * 1024, rel=0.05)


def test_page_faults_count_pages() -> None:
    before = page_faults()
    content = mmap.mmap(-1, 2**24)
    content.write(b"x" * 2**24)
    # one for each 4 kB, or for each 2 MB where the system gives huge pages unasked
    assert 8 <= page_faults() - before < 20_000
