import os
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from alexnet.errors import AlexNetError, WeightsError
from alexnet.weights.checkpoint import load_checkpoint, save_checkpoint

CONTENT: dict[str, Any] = {
    "weights": {"a": torch.arange(400.0), "b": torch.tensor(1 / 3, dtype=torch.float64)},
    "progress": {"epoch": 2, "share": 1 / 3, "best": None, "history": [{"loss": 0.1, "best": True}]},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "last.pt", CONTENT)
    return tmp_path / "last.pt"


def test_what_is_saved_comes_back_bit_for_bit(file: Path) -> None:
    back = load_checkpoint(file)
    assert back["progress"] == CONTENT["progress"]
    for name, tensor in CONTENT["weights"].items():
        assert torch.equal(back["weights"][name], tensor)
        assert back["weights"][name].dtype is tensor.dtype


def test_a_missing_checkpoint_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no checkpoint at .*none\.pt"):
        load_checkpoint(tmp_path / "none.pt")


def test_a_checkpoint_cut_off_anywhere_is_a_sentence(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"last\.pt is damaged"):
            load_checkpoint(file)


def test_a_damaged_tensor_is_never_loaded_in_silence(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    place = whole.index(CONTENT["weights"]["a"].numpy().tobytes())  # in the file as they are in memory
    for position in range(place, place + 1600, 53):
        whole[position] ^= 4
        file.write_bytes(whole)
        whole[position] ^= 4
        with pytest.raises(WeightsError, match=r"last\.pt is damaged"):
            load_checkpoint(file)


def test_a_file_of_anything_else_is_a_sentence(file: Path) -> None:
    noise = random.Random(0)
    for content in (b"", b"hello", pickle.dumps({"format": 1}), *(noise.randbytes(200) for _ in range(50))):
        file.write_bytes(content)
        with pytest.raises(WeightsError, match=r"last\.pt is damaged, or is not a checkpoint"):
            load_checkpoint(file)


def test_a_checkpoint_of_another_format_is_a_sentence(file: Path) -> None:
    for content in ({"format": 2}, {"weights": {}}, [1], {"format": torch.ones(2)}, {"format": True}):
        torch.save(content, file)
        with pytest.raises(WeightsError, match=r"not a checkpoint of this version \(format 1\)"):
            load_checkpoint(file)


@pytest.mark.parametrize("words", ["Input/output error", "Too many open files"])
def test_a_disk_that_cannot_be_read_is_no_damage(file: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, words)

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(WeightsError, match=rf"last\.pt cannot be read \({words}\); mend that and try again"):
        load_checkpoint(file)


def test_want_of_memory_is_no_damage(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(RuntimeError, match="can't allocate"):
        load_checkpoint(file)


class Malice:
    """Runs a command when it is unpickled by a reader that does not look."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


def test_no_code_in_a_checkpoint_is_run(file: Path, tmp_path: Path) -> None:
    torch.save({"format": 1, "weights": Malice(tmp_path / "victim")}, file)
    with pytest.raises(WeightsError, match=r"UnpicklingError"):
        load_checkpoint(file)
    assert not (tmp_path / "victim").exists()
    torch.load(file, weights_only=False)  # the file is what it is meant to be
    assert (tmp_path / "victim").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("unexpected pos 64 vs 0")])
def test_a_disk_that_fills_up_leaves_the_old_checkpoint(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def save(content: object, place: Path) -> None:
        place.write_bytes(b"half")
        raise error  # PyTorch's own writer makes a RuntimeError of it

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(AlexNetError, match=r"Cannot write .*last\.pt: .*; free some space"):
        save_checkpoint(file, {"weights": {}})
    assert load_checkpoint(file)["progress"] == CONTENT["progress"]
    assert list(file.parent.iterdir()) == [file]


def test_other_mistakes_in_writing_are_not_called_a_full_disk(file: Path) -> None:
    with pytest.raises(AttributeError):
        save_checkpoint(file, {"weights": lambda: None})


def test_checkpoints_are_zip_archives_whose_checksums_are_filled_in(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        assert all(entry.CRC for entry in archive.infolist() if entry.file_size)
