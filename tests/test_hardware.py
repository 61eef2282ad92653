"""What the system tells of this machine and process, against its own books."""

import mmap
from pathlib import Path

import pytest

from alexnet import hardware
from alexnet.hardware import cores, page_faults, peak_memory, physical_cores


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


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Eight processors, two to a core, all of them ours; no control group."""
    monkeypatch.setattr(hardware, "_processors", lambda: range(8))
    monkeypatch.setattr(hardware, "_TOPOLOGY", f"{tmp_path}/cpu{{}}")
    monkeypatch.setattr(hardware, "_GROUPS", tmp_path)
    for number in range(8):
        (tmp_path / f"cpu{number}").write_text(f"{number % 4},{number % 4 + 4}\n")
    return tmp_path


def test_second_hardware_threads_are_no_cores_of_their_own(machine: Path) -> None:
    assert (physical_cores(), cores()) == (4, 8)
    for number in range(8):
        (machine / f"cpu{number}").unlink()
    assert physical_cores() == 8


@pytest.mark.parametrize(
    ("files", "granted"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "max 100000\n"}, 4),
        ({"cpu.max": "damaged"}, 4),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
    ],
)
def test_a_control_group_grants_what_its_files_say(machine: Path, files: dict[str, str], granted: int) -> None:
    (machine / "cpu").mkdir()
    for name, text in files.items():
        (machine / name).write_text(text)
    assert physical_cores() == granted
