import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from commanding import alexnet, refusal
from making import tiny_model
from PIL import Image
from serving import served

from alexnet.data.download import Archive
from alexnet.data.store import Store
from alexnet.weights.foreign.cache import KNOWN, Known
from alexnet.weights.model_dir import save_model

CONTENT = b"weights of a network " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ALEXNET_OFFLINE", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server of CONTENT, which is known as "toy"; the paths that it was asked for."""
    with served(CONTENT) as (address, asked):
        archive = Archive(f"{address}/toy.caffemodel", DIGEST)
        monkeypatch.setitem(KNOWN, "toy", Known(archive, len(CONTENT), "caffenet", "caffe", "free for all"))
        yield asked


def test_a_name_is_fetched_and_its_next_steps_are_shown(server: list[str], home: Path) -> None:
    result = alexnet("weights", "add", "toy")
    path = home / "weights" / "toy.caffemodel"
    assert result.stdout.splitlines() == [
        f"File     {path} (21.0 kB)",
        f"SHA-256  {DIGEST}",
        "Network  caffenet",
        "Terms    free for all",
    ]
    assert "alexnet import caffe toy --mean imagenet_mean.binaryproto" in result.stderr
    assert "alexnet predict toy PHOTOGRAPH" in result.stderr
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("how", ["option", "environment"])
def test_offline_nothing_is_fetched(how: str, server: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_OFFLINE", "1" if how == "environment" else "0")
    code, sentence = refusal("weights", "add", "toy", *(["--offline"] if how == "option" else []))
    assert code == 2
    for part in (KNOWN["toy"].archive.url, DIGEST, str(home / "weights" / "toy.caffemodel")):
        assert part in sentence
    assert server == []


def test_a_file_of_unknown_origin_is_kept_with_a_warning(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    file.write_bytes(CONTENT)
    result = alexnet("weights", "add", file, "-q")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: nothing is known of this file; compare its SHA-256")
    assert f"SHA-256  {DIGEST}" in result.stdout
    assert alexnet("weights", "add", file, "-q", "--sha256", DIGEST).stderr == ""
    assert "alexnet predict mine PHOTOGRAPH" in alexnet("weights", "add", file).stderr


def test_what_torchvision_has_downloaded_is_taken_from_there(server: list[str], home: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / "toy.caffemodel"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(CONTENT)
    result = alexnet("weights", "add", "toy")
    assert f"Taking toy from {theirs}." in result.stderr
    assert (home / "weights" / "toy.caffemodel").read_bytes() == CONTENT
    theirs.write_bytes(b"damaged")
    assert alexnet("weights", "add", "toy").exit_code == 0, "ours is whole"
    (home / "weights" / "toy.caffemodel").unlink()
    assert f"where {DIGEST} was expected" in alexnet("weights", "add", "toy").stderr
    assert server == []


def test_the_list_says_what_is_kept(server: list[str], home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.npy").write_bytes(b"weights")
    alexnet("weights", "add", "toy")
    alexnet("weights", "add", tmp_path / "mine.npy")
    path = home / "weights" / "toy.caffemodel"
    rows = [line.split() for line in alexnet("weights", "list").stdout.splitlines()]
    assert ["torchvision", "owt", "244.4", "MB", "–"] in rows
    assert ["toy", "caffenet", "21.0", "kB", str(path)] in rows
    assert ["mine.npy", "–", "7", "bytes", str(home / "weights" / "mine.npy")] in rows
    plain = {row["name"]: row for row in json.loads(alexnet("weights", "list", "--json").stdout)}
    assert set(plain) == {*KNOWN, "mine.npy"}
    assert (plain["toy"]["path"], plain["toy"]["sha256"], plain["toy"]["bytes"]) == (str(path), DIGEST, len(CONTENT))
    assert plain["caffenet"]["path"] is None


def test_a_kept_file_is_removed_by_its_name(server: list[str], home: Path) -> None:
    alexnet("weights", "add", "toy")
    assert alexnet("weights", "remove", "toy").stdout == f"Removed  {home / 'weights' / 'toy.caffemodel'}\n"
    code, sentence = refusal("weights", "remove", "toy")
    assert code == 2
    assert "There are no weights in" in sentence


def test_an_imported_model_is_found_by_its_name(
    colours: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(tiny_model(colours), home / "models" / "toy")
    Image.fromarray(colours.read(0)).save(tmp_path / "photograph.png")
    result = alexnet("predict", "toy", "photograph.png", "--json")
    assert result.exit_code == 0
    assert f"Taking the imported model {home / 'models' / 'toy'}." in result.stderr
    save_model(tiny_model(colours, seed=1), tmp_path / "toy")
    here = alexnet("predict", "toy", "photograph.png", "--json")
    assert here.stderr == ""
    assert here.stdout != result.stdout


def test_an_unknown_name_is_a_sentence() -> None:
    code, sentence = refusal("weights", "add", "torchvison")
    assert code == 2
    assert "did you mean 'torchvision'?" in sentence
