"""What the words DATA and MODEL stand for: stores, sources and model directories, wherever they lie."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet.cli.session import Session, home
from alexnet.cli.terminal import counted
from alexnet.errors import ConfigError
from alexnet.home import make

if TYPE_CHECKING:
    from alexnet.data.preparation import Preparation
    from alexnet.data.source import Source
    from alexnet.data.sources.folder import Tops
    from alexnet.data.store import Store
    from alexnet.weights.model_dir import Model


def is_store(data: str) -> bool:
    """Whether `data` is the path of a store."""
    return (Path(data).expanduser() / "manifest.json").is_file()


def find_source(
    session: Session,
    data: str,
    location: Path | None,
    tops: "Tops | None" = None,
    lists: Sequence[str] = (),
    label_from: str | None = None,
) -> "Source":
    """The source that `data` names, at `location` or where its download lies; how it was read is said.

    `lists` are FILE or SPLIT=FILE.
    """
    from alexnet.data.download import ARCHIVES
    from alexnet.data.sources.files import ListedSource
    from alexnet.data.sources.table import open_source

    data = os.path.expanduser(data)
    if location is None and data in ARCHIVES:
        archive = home() / "downloads" / ARCHIVES[data].file_name
        if archive.is_file():
            session.note(f"Taking {data} from {archive}.")
            location = archive
    source = open_source(data, location, tops=tops, lists=[_list(text) for text in lists], label_from=label_from)
    if isinstance(source, ListedSource):
        for remark in source.remarks:
            session.note(remark)
    return source


def _list(text: str) -> tuple[str | None, Path]:
    """`"test=test.txt"` → `("test", test.txt)`; None for the split of a file alone. Raises ConfigError, naming it."""
    from alexnet.data.sources.split_names import split_of

    name, _, file = text.rpartition("=")
    path = Path(file).expanduser()
    split = split_of(name) if name else None
    if name and split is None:
        raise ConfigError(f"--list takes FILE or SPLIT=FILE; {name!r} is no split (train, val or test).")
    if not path.is_file():
        raise ConfigError(f"--list names {path}, which is no file.")
    return split, path


def limit_pixels(source: "Source", data: str, max_pixels: int | None) -> None:
    """Sets the limit of pixels of the photographs of `data`, if any. Raises ConfigError where there are none."""
    from alexnet.data.sources.files import ListedSource

    if max_pixels is None:
        return
    if not isinstance(source, ListedSource):
        raise no_limit(data)
    source.max_pixels = max_pixels


def no_limit(data: str) -> ConfigError:
    """The error that data which are no files of photographs cannot be limited in their pixels."""
    what = f"the store {data}, whose photographs are prepared already" if is_store(data) else repr(data)
    return ConfigError(f"--max-pixels is for photographs, not for {what}; leave it out.")


def find_store(
    session: Session,
    data: str,
    location: Path | None,
    preparation: "Preparation | None" = None,
    max_pixels: int | None = None,
) -> "Store":
    """The store at `data`; or that of the source `data`, prepared into the cache unless it is there.

    Preparing resizes as `preparation` says, and reads no photograph of more than `max_pixels`. A store that is there
    already is taken as it is.
    """
    from alexnet.cli.progress import Meter
    from alexnet.data.preparation import DEFAULT
    from alexnet.data.prepare import PrepareProgress, prepared
    from alexnet.data.store import Store

    if is_store(data):
        if location is not None:
            raise ConfigError(f"{data} is a store already, so --from {location} has no meaning; leave it out.")
        if max_pixels is not None:
            raise no_limit(data)
        return Store.open(Path(data).expanduser())
    source = find_source(session, data, location)
    limit_pixels(source, data, max_pixels)
    cache = home() / "stores"
    make(cache)
    with Meter(session) as meter:

        def tell(progress: PrepareProgress) -> None:
            if progress.stage == "read" and not progress.done:
                meter.line(f"Preparing {data}, once, in {cache}: {counted(progress.total, 'photograph')}")
            meter.preparing(progress)

        store = prepared(source, cache, workers=0, preparation=preparation or DEFAULT, progress=tell)
    session.note(f"Store    {store.path}")
    if refused := len(store.report["refused"]):
        meter.warn(f"Refused: {counted(refused, 'photograph')}; {store.path / 'report.json'} says why.")
    return store


def is_model(path: Path) -> bool:
    """Whether `path` is plainly a model: a model directory, a run directory with one, or an ONNX file."""
    held = (path / "model.json", path / "model" / "model.json")
    return any(file.is_file() for file in held) or (path.suffix == ".onnx" and path.is_file())


def find_model(session: Session, path: Path) -> Path:
    """The model directory at `path`, in the run directory at `path`, or imported under that name into the cache."""
    from alexnet.weights.model_dir import model_of_run

    if (model := model_of_run(path)) != path:
        told = weights_of(model)
        session.note(f"{path} is a run directory; taking its model, {model}{f' ({told})' if told else ''}.")
        return model
    if not (path / "model.json").is_file() and (path / "run.json").is_file():
        raise ConfigError(f"{path} is a run directory without a model yet: no epoch of it is finished.")
    if not path.exists() and path.parent == Path() and imported(path.name).is_dir():
        session.note(f"Taking the imported model {imported(path.name)}.")
        return imported(path.name)
    return path


def weights_of(path: Path) -> str:
    """What the model directory at `path` says about the epoch its weights are of, empty where it says nothing."""
    from alexnet.weights.model_dir import read_description

    return str(read_description(path)["provenance"].get("weights_of", ""))


def find_weights(session: Session, path: Path) -> Path:
    """The file of weights at `path`, or the one that `alexnet weights` keeps under that name."""
    from alexnet.weights.foreign.cache import find_kept

    if path.is_file() or path.parent != Path() or (kept := find_kept(path.name, home() / "weights")) is None:
        return path
    session.note(f"Taking the kept file {kept}.")
    return kept


def find_start(session: Session, path: Path) -> "Model":
    """The model to start training from: one of ours, or another program's weights, at `path` or kept by that name."""
    from alexnet.weights.formats import SUFFIXES, import_weights
    from alexnet.weights.model_dir import load_model

    model = find_model(session, path)
    if model.is_dir() or not (file := find_weights(session, path)).is_file():
        return load_model(model)
    run = file.parent.parent
    if file.parent.name == "checkpoints" and (run / "run.json").is_file():
        raise ConfigError(f"{path} is a checkpoint of the run {run}; start from the run's model: --init-from {run}.")
    form = SUFFIXES.get(file.suffix.lower())
    if form is None:
        raise ConfigError(
            f"{path} ends in none of {', '.join(SUFFIXES)}, so its format is unknown; make a model of it first with "
            "alexnet import, and start from that."
        )
    found = import_weights(file, form)
    session.note(f"Start    {file} ({found.provenance['format']}): {found.net.spec.name}")
    return found


def imported(name: str) -> Path:
    """Where a model of published weights is kept, so that verbs find it by its name."""
    return home() / "models" / name
