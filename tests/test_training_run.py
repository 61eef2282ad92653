import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from alexnet import kernels
from alexnet.errors import AlexNetError, ConfigError, WeightsError
from alexnet.training import run as runs
from alexnet.training.run import Run, check_space, create_run, environment, open_run


def disk_with(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))


def test_a_new_run_has_a_place_for_checkpoints(tmp_path: Path) -> None:
    run = create_run(tmp_path / "runs" / "first")
    assert run.path == tmp_path / "runs" / "first"
    assert run.last.parent.is_dir()
    assert not any(run.last.parent.iterdir())


def test_an_empty_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert create_run(tmp_path / "a").path == tmp_path / "a"


def test_a_run_never_goes_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis").write_text("years of work")
    (tmp_path / "a-3").write_text("a file")
    assert [create_run(tmp_path / "a").path.name for _ in range(3)] == ["a-2", "a-4", "a-5"]
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["thesis"]


def test_of_many_that_begin_at_once_each_has_a_place_of_its_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: create_run(tmp_path / "deep" / "a").path.name, range(24)))
    assert sorted(runs) == sorted(["a", *(f"a-{number}" for number in range(2, 25))])


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AlexNetError, match=r"Cannot write to .*file/run: Not a directory; give another --out"):
        create_run(tmp_path / "file" / "run")


def test_json_files_come_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write("summary.json", {"name": "Ŵ", "number": 1 / 3, "none": None})
    assert run.read("summary.json") == {"name": "Ŵ", "number": 1 / 3, "none": None}


def test_missing_and_damaged_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is not a run directory: it has no recipe\.json"):
        Run(tmp_path).read("recipe.json")
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(WeightsError, match=r"recipe\.json is damaged"):
        Run(tmp_path).read("recipe.json")
    with pytest.raises(ConfigError, match=r"is not a run directory: it has no run\.json; give the directory that"):
        open_run(tmp_path)


def test_weights_velocities_a_second_checkpoint_and_the_model_must_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    million = 10**6
    # last.pt is 8 bytes a parameter and stands there twice for a moment, best.pt is 4, the model 4, and twice too
    needed = 28 * million + runs.SMALL_FILES
    disk_with(monkeypatch, needed)
    check_space(Run(tmp_path), million)
    disk_with(monkeypatch, needed - 1)
    with pytest.raises(AlexNetError, match=r"has 38\.0 MB free, but .* need 38\.0 MB, 1 bytes more; free some"):
        check_space(Run(tmp_path), million)


def test_checkpoints_that_are_there_already_need_no_more_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    million, run = 10**6, create_run(tmp_path / "run")
    run.last.write_bytes(b"x" * 8 * million)
    run.best.write_bytes(b"x" * 4 * million)
    disk_with(monkeypatch, 16 * million + runs.SMALL_FILES)
    check_space(run, million)
    disk_with(monkeypatch, 16 * million + runs.SMALL_FILES - 1)
    with pytest.raises(AlexNetError, match=r"has 26\.0 MB free"):
        check_space(run, million)


def test_space_is_asked_for_where_the_run_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=10**12)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    check_space(Run(tmp_path / "not" / "yet"), 1)
    check_space(Run(Path("not-there-either") / "yet"), 1)
    assert asked == [tmp_path, Path()]


def test_the_environment_says_what_a_result_depends_on() -> None:
    found = environment(device="cpu", dtype="bf16", threads=3)
    assert json.loads(json.dumps(found)) == found
    assert (found["device"], found["dtype"], found["threads"]) == ("cpu", "bf16", 3)
    assert found["cores"] == os.cpu_count()
    assert all(found[name] for name in ("alexnet", "python", "torch", "numpy", "pillow", "system", "processor"))
    assert found["kernels"] == kernels.describe()


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, most: int) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(runs, "read_file", refused)
    with pytest.raises(WeightsError, match=r"run\.json cannot be read: Permission denied"):
        Run(tmp_path).read("run.json")
