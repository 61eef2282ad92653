"""Photographs of a store whose file changes, or was never one, while it is read."""

import io
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_source import FakeSource

from alexnet.data.packed import INDEX, Images
from alexnet.data.prepare import prepare
from alexnet.data.store import Store, _fingerprint, as_json
from alexnet.errors import DataError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return prepare(FakeSource(6), tmp_path / "store", encoding="raw", workers=1)


def test_a_store_that_shrinks_while_it_is_read_is_an_error(store: Store) -> None:
    os.truncate(store.path / "images.bin", 3 * 256 * 256 * 4 + 10)
    for position in range(4):
        store.read(position)
    for position in (4, 5):
        with pytest.raises(DataError, match=rf"images\.bin ends before photograph {position}: it has become shorter"):
            store.read(position)


def test_a_disk_that_fails_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(DataError, match=r"images\.bin cannot be read \(Input/output error\)"):
        store.read(0)


def test_a_store_that_cannot_be_opened_is_an_error_of_reading(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    for name in ("manifest.json", "images.bin"):

        def fail(path: Any, *rest: Any, name: str = name) -> int:
            if str(path).endswith(name):
                raise OSError(24, "Too many open files")
            return real(path, *rest)

        monkeypatch.setattr(os, "open", fail)
        with pytest.raises(DataError, match=rf"{name} cannot be read \(Too many open files\); mend that"):
            Store.open(store.path)


def test_a_descriptor_that_cannot_be_closed_says_nothing(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    images = Images(store.path / "images.bin", np.zeros(0, INDEX), "raw", 256)
    os.close(images._descriptor)
    del images
    assert capfd.readouterr() == ("", "")


def forge(store: Store, name: str, change: Any) -> None:
    """Changes a file of the store, with checksums that fit."""
    manifest = json.loads((store.path / "manifest.json").read_bytes())
    if name == "manifest.json":
        change(manifest)
    elif name.endswith(".npy"):
        array = np.load(store.path / name)
        stream = io.BytesIO()
        np.save(stream, array if (changed := change(array)) is None else changed)
        (store.path / name).write_bytes(stream.getvalue())
    else:
        content = json.loads((store.path / name).read_bytes())
        (store.path / name).write_bytes(as_json(change(content)))
    for file, entry in manifest["files"].items() if isinstance(manifest.get("files"), dict) else ():
        if (store.path / file).is_file() and isinstance(entry, dict):
            content = (store.path / file).read_bytes()
            entry |= {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    manifest["fingerprint"] = _fingerprint(manifest)
    (store.path / "manifest.json").write_bytes(as_json(manifest))


FORGERIES: list[tuple[str, Any, str]] = [
    ("index.npy", lambda index: index["label"].__setitem__(0, 3), "photograph 0 has a label that cannot be"),
    ("index.npy", lambda index: index["label"].__setitem__(1, -1), "photograph 1 has a label that cannot be"),
    ("index.npy", lambda index: index["split"].__setitem__(2, 3), "photograph 2 has a split that cannot be"),
    ("index.npy", lambda index: index["offset"].__setitem__(0, -1), "photograph 0 has a place that cannot be"),
    ("index.npy", lambda index: index["offset"].__setitem__(5, 2**62), "photograph 5 has a place that cannot be"),
    ("index.npy", lambda index: index["length"].__setitem__(0, 7), "photograph 0 has a place that cannot be"),
    ("index.npy", lambda index: index["width"].__setitem__(0, -7), "photograph 0 has a size that cannot be"),
    ("index.npy", lambda index: index[:5], "expected 6 records"),
    ("index.npy", lambda index: index["label"].copy(), "expected 6 records"),
    ("mean.npy", lambda mean: mean[:5], "expected finite float32"),
    ("mean.npy", lambda mean: mean.__setitem__((0, 0, 0), np.nan), "expected finite float32"),
    ("manifest.json", lambda plain: plain.update(encoding="png"), "encoding is 'png', expected 'raw' or 'jpeg'"),
    ("manifest.json", lambda plain: plain.update(classes=[]), "has a label that cannot be"),
    ("manifest.json", lambda plain: plain.update(classes="abc"), "classes is 'abc', expected a list"),
    ("manifest.json", lambda plain: plain.update(side=10**9), "The side of prepared photographs must be"),
    ("manifest.json", lambda plain: plain["statistics"].update(eigenvalues=[1, 2]), "expected a list of 3"),
    ("manifest.json", lambda plain: plain["files"].update({"../x": {}}), "files.../x is unknown"),
    ("manifest.json", lambda plain: plain.pop("files"), "files is missing"),
    ("manifest.json", lambda plain: plain["files"].pop("mean.npy"), "files.mean.npy is missing"),
]


@pytest.mark.parametrize(("name", "change", "said"), FORGERIES, ids=range(len(FORGERIES)))
def test_a_store_with_right_checksums_and_wrong_content_is_refused(
    store: Store, name: str, change: Any, said: str
) -> None:
    forge(store, name, change)
    with pytest.raises(DataError) as caught:
        Store.open(store.path)
    assert said in str(caught.value)
    assert f"{name} is no store's" in str(caught.value) or "label" in said


def test_forged_lists_are_refused_when_they_are_asked_for(store: Store) -> None:
    forge(store, "paths.json", lambda paths: paths[:3])
    with pytest.raises(DataError, match=r"paths\.json is no store's: it names 3 photographs, expected 6"):
        _ = Store.open(store.path).paths
    forge(store, "report.json", lambda report: {**report, "refused": 7})
    with pytest.raises(DataError, match=r"report\.json is no store's: refused is 7, expected a list"):
        _ = Store.open(store.path).report


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda groups: groups.__setitem__(1, 9), "it names groups from 0 to 9, expected 0 to 5"),
        (lambda groups: groups.__setitem__(1, -1), "it names groups from -1 to"),
        (lambda groups: groups[:2], r"it holds int64 of shape \(2,\), expected int64 of shape \(6,\)"),
        (lambda groups: groups.astype(np.float64), "it holds float64"),
    ],
)
def test_groups_that_no_photograph_names_are_refused(tmp_path: Path, change: Any, said: str) -> None:
    store = prepare(FakeSource(6), tmp_path / "s", split={"val": 0.5}, together=[r"([024]?)\.jpg$"], workers=1)
    forge(store, "groups.npy", change)
    with pytest.raises(DataError, match=f"groups.npy is no store's: {said}"):
        Store.open(store.path)
