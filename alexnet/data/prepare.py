"""From a source to a store: in several processes, resumable, with the same bytes however it ran."""

import errno
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alexnet.data.jpeg import encode_jpeg
from alexnet.data.packed import IMAGES, INDEX, Images
from alexnet.data.parting import drawn_splits
from alexnet.data.pool import in_order, refuse_in_worker
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import SPLITS, Example, Source
from alexnet.data.sources.table import open_source
from alexnet.data.statistics import InputStatistics, Sums
from alexnet.data.store import Store, partial, seal
from alexnet.data.store_plan import RAW_LIMIT, StorePlan, store_plan
from alexnet.data.unfinished import Chunk, Unfinished, discard
from alexnet.errors import DataError, ImageError
from alexnet.hardware import size

CHUNK = 32  # photographs in a worker's task
UNREADABLE = "it cannot be read"  # how the reason begins why a file was left out that may be there next time


@dataclass(frozen=True)
class PrepareProgress:
    """How far preparation is: `done` of `total` photographs in this stage, `refused` so far.

    "read" reads and packs every photograph; "measure" then computes the statistics of the training ones. The
    first of a stage says where work resumes.
    """

    stage: Literal["read", "measure"]
    done: int
    total: int
    refused: int


def prepare(
    source: Source | str | Path,
    path: str | Path,
    *,
    encoding: str = "auto",
    quality: int = 90,
    workers: int = 1,
    split: Mapping[str, float] | None = None,
    seed: int = 0,
    together: Iterable[str] = (),
    preparation: Preparation = DEFAULT,
    strict: bool = False,
    skip_unreadable: bool = False,
    progress: Callable[[PrepareProgress], object] | None = None,
) -> Store:
    """The store at `path`, made from the source unless it is there already; an interrupted one is continued.

    `encoding` is "raw", "jpeg" (of `quality`) or "auto": raw up to 8 GiB (43,690 photographs of 256×256), where
    pixels are exact and reading them costs nothing; JPEG above, where ImageNet takes about 30 GB instead of 252.
    `source` may also be what `open_source` takes: the name of a source that needs no data, or a folder's path.
    `workers` is the number of processes, 0 for one a core. A script that defines the source itself must prepare it
    under `if __name__ == "__main__":` when it asks for more than 1.

    Splits given by the source are kept. `split` are shares to hold out of each class besides, drawn with
    `seed` from the photographs used otherwise for training; None stands for the source's default, used when
    it gives no split at all. Copies of a photograph go to one split; so do those of one group by the source, and
    those that `together` asks for: "look-alikes", or a regular expression whose finds in the paths agree.
    Statistics are those of the training photographs as they will be read back; of all photographs where there is
    none to train on. Of the `preparation`, its side, its rule of resizing and its interpolation say which pixels
    are stored; what it says of views is for those who draw them.

    A photograph that cannot be used is left out and listed in the store's report; with `strict` it is an
    error instead. A file that cannot be opened or read is an error, because that may be the disk's fault and
    pass; with `skip_unreadable` it is left out and listed too. Raises DataError also when `path` holds something
    else, when a class has no photograph left, when the disk is full or a worker dies;
    ConfigError for options that do not fit; BusyError while another process prepares the same
    store. Whatever the error, what is done is kept and continued next time.
    """
    refuse_in_worker()
    path = _place(Path(path).absolute())
    source = open_source(source) if isinstance(source, str | Path) else source
    options: dict[str, Any] = {"encoding": encoding, "quality": quality, "split": split, "seed": seed}
    plan = store_plan(source, **options, together=together, preparation=preparation)
    with _sentences(path):
        if not _vacant(path):
            return _finished(path, plan, strict, skip_unreadable)
        with Unfinished(path, plan.content, lambda chunk: skip_unreadable or not _unreadable(chunk.refused)) as work:
            if not _vacant(path):  # another process finished it just before the lock was ours
                return _finished(path, plan, strict, skip_unreadable)
            tell = progress or (lambda _: None)
            _read(source, work, plan, workers, strict, skip_unreadable, tell)
            _complete(source, work, plan, workers, tell)
            work.publish()
        return Store.open(path)


def prepared(
    source: Source,
    cache: str | Path,
    *,
    encoding: str = "auto",
    quality: int = 90,
    workers: int = 1,
    split: Mapping[str, float] | None = None,
    seed: int = 0,
    together: Iterable[str] = (),
    preparation: Preparation = DEFAULT,
    strict: bool = False,
    skip_unreadable: bool = False,
    progress: Callable[[PrepareProgress], object] | None = None,
) -> Store:
    """The store of this source and these options in the folder `cache`, made if it is not there; see `prepare`."""
    options: dict[str, Any] = {"encoding": encoding, "quality": quality, "split": split, "seed": seed}
    plan = store_plan(source, **options, together=together, preparation=preparation)
    return prepare(
        source,
        Path(cache) / f"{plan.source}-{plan.digest[:16]}.store",
        **options,
        workers=workers,
        together=together,
        preparation=preparation,
        strict=strict,
        skip_unreadable=skip_unreadable,
        progress=progress,
    )


def _read(
    source: Source,
    work: Unfinished,
    plan: StorePlan,
    workers: int,
    strict: bool,
    skip_unreadable: bool,
    tell: Callable[[PrepareProgress], object],
) -> None:
    """Read and pack the photographs that are not in the work yet."""
    examples = source.examples
    parts = [examples[start : start + CHUNK] for start in range(0, len(examples), CHUNK)]
    resumed = len(work.chunks)
    done = min(resumed * CHUNK, len(examples))
    refused = {
        part[row].path: reason
        for part, chunk in zip(parts, work.chunks, strict=False)
        for row, reason in chunk.refused.items()
    }
    if plan.encoding == "raw":
        _check_space(work.path, (len(examples) - done) * plan.preparation.stored_bytes)
    tell(PrepareProgress("read", done, len(examples), len(refused)))
    job = source, plan, skip_unreadable
    with closing(in_order(_pack, job, parts[resumed:], workers)) as results:
        for part, (chunk, content) in zip(parts[resumed:], results, strict=True):
            if strict and refused:
                break
            work.append(chunk, content)
            refused |= {part[row].path: reason for row, reason in chunk.refused.items()}
            done += len(part)
            tell(PrepareProgress("read", done, len(examples), len(refused)))
    if strict and refused:
        raise _refusal(refused)


def _pack(shared: tuple[Source, StorePlan, bool], examples: Sequence[Example]) -> tuple[Chunk, bytes]:
    source, plan, skip_unreadable = shared
    preparation, quality = plan.preparation, plan.quality
    refused, treated, contents, records = {}, {}, [], []
    for row, example in enumerate(examples):
        try:
            photograph = source.load(example, preparation)
        except ImageError as error:
            refused[row] = str(error)
            continue
        except OSError as error:
            if not skip_unreadable:
                raise DataError(
                    f"The photograph {example.path} cannot be read ({error.strerror or error}). What is done so far is "
                    "kept: when the photograph can be read again, give the same command; or leave out what cannot be "
                    "read with --skip-unreadable."
                ) from error
            refused[row] = f"{UNREADABLE}: {error.strerror or error}"
            continue
        assert photograph.pixels.shape == (preparation.side, preparation.side, 3)
        content = photograph.pixels.tobytes() if quality is None else encode_jpeg(photograph.pixels, quality)
        contents.append(content)
        records.append((len(content), zlib.crc32(content), *photograph.size))
        if photograph.treatments:
            treated[row] = photograph.treatments
    return Chunk(np.array(records, dtype=np.int64).reshape(-1, 4), refused, treated), b"".join(contents)


def _complete(
    source: Source, work: Unfinished, plan: StorePlan, workers: int, tell: Callable[[PrepareProgress], object]
) -> None:
    """Split and measure what was read, and write the rest of the store."""
    examples = source.examples
    refused = {
        number * CHUNK + row: reason
        for number, chunk in enumerate(work.chunks)
        for row, reason in chunk.refused.items()
    }
    treated = {
        number * CHUNK + row: treatments
        for number, chunk in enumerate(work.chunks)
        for row, treatments in chunk.treated.items()
    }
    accepted = [example for row, example in enumerate(examples) if row not in refused]
    index = np.zeros(len(accepted), dtype=INDEX)
    columns = np.concatenate([np.empty((0, 4), np.int64), *(chunk.records for chunk in work.chunks)]).T
    index["length"], index["crc32"], index["width"], index["height"] = columns
    index["offset"] = np.cumsum(columns[0]) - columns[0]
    index["label"] = [example.label for example in accepted]
    _check_classes(source, index["label"], refused)
    images = Images(work.store / IMAGES, index, plan.encoding, plan.preparation.side)
    index["split"], kept = drawn_splits(source, accepted, plan, images, workers)
    train = index[index["split"] == SPLITS.index("train")]
    measured = train if len(train) else index  # photographs to measure a model on alone
    raw = len(examples) * plan.preparation.stored_bytes
    seal(
        work.store,
        images_sha256=work.sha256.hexdigest(),
        index=index,
        paths=[example.path for example in accepted],
        classes=source.categories,
        statistics=_measure(work.store / IMAGES, measured, plan, workers, tell, len(refused)),
        report={
            "refused": [
                {
                    "path": examples[row].path,
                    "class": source.categories[examples[row].label].key,
                    "reason": why,
                }
                for row, why in refused.items()
            ],
            "treated": [{"path": examples[row].path, "treatments": how} for row, how in treated.items()],
        },
        origin={
            "plan": plan.digest,
            "source": {"name": plan.source, "identity": plan.identity},
            "encoding": plan.encoding,
            "encoding_rule": f"unless asked for, raw up to {RAW_LIMIT / 2**30:.0f} GiB and JPEG above; the "
            f"source's {len(examples):,} photographs are {raw / 2**30:.2f} GiB raw",
            "quality": plan.quality,
            "split": {"shares": plan.shares, "seed": plan.seed},
            **plan.resizing,
        },
        groups=kept,
    )


def _check_classes(source: Source, labels: NDArray[np.int32], refused: Mapping[int, str]) -> None:
    empty = np.flatnonzero(np.bincount(labels, minlength=len(source.categories)) == 0).tolist()
    if empty:
        reasons = [reason for row, reason in refused.items() if source.examples[row].label == empty[0]]
        why = f"all {len(reasons)} were refused, the first because {reasons[0]}" if reasons else "it has none"
        raise DataError(
            f"The class {source.categories[empty[0]].key!r} of the source {source.name} has no usable "
            f"photograph ({why}); repair its photographs or leave the class out."
        )


def _measure(
    file: Path,
    train: NDArray[np.void],
    plan: StorePlan,
    workers: int,
    tell: Callable[[PrepareProgress], object],
    refused: int,
) -> InputStatistics:
    parts = [train[start : start + 4 * CHUNK] for start in range(0, len(train), 4 * CHUNK)]
    side = plan.preparation.side
    total = Sums.of([], side)
    tell(PrepareProgress("measure", 0, len(train), refused))
    with closing(in_order(_sum, (file, plan.encoding, side), parts, workers)) as results:
        for sums in results:
            total += sums
            tell(PrepareProgress("measure", total.images, len(train), refused))
    return total.statistics()


def _sum(shared: tuple[Path, str, int], index: NDArray[np.void]) -> Sums:
    file, encoding, side = shared
    images = Images(file, index, encoding, side)
    return Sums.of((images.read(position) for position in range(len(index))), side)


def _place(path: Path) -> Path:
    """Where the store is to be. Raises DataError for a place that no finished store can be moved to."""
    path = path.resolve() if path.is_symlink() else path
    if _vacant(path) and path.is_mount():
        raise DataError(f"{path} is a mount point, which a finished store cannot take the place of; give {path}/store.")
    return path


def _vacant(path: Path) -> bool:
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def _unreadable(refused: Mapping[Any, str]) -> list[Any]:
    """Those that were left out because their files could not be read then."""
    return [name for name, reason in refused.items() if reason.startswith(UNREADABLE)]


def _finished(path: Path, plan: StorePlan, strict: bool, skip_unreadable: bool) -> Store:
    """The store found at `path`, which must be the planned one."""
    if not (path / "manifest.json").exists():
        raise DataError(f"{path} exists and is not a store; choose another path.")
    store = Store.open(path)
    if store.manifest["plan"] != plan.digest:
        raise DataError(
            f"{path} is a store already, of other photographs or with other options than asked for now "
            f"(source {store.manifest['source']['name']}, {len(store)} photographs, {store.encoding}, side "
            f"{store.preparation.side}); delete it or choose another path."
        )
    refused = {entry["path"]: entry["reason"] for entry in store.report["refused"]}
    if strict and refused:
        raise _refusal(refused)
    if not skip_unreadable and (left_out := _unreadable(refused)):
        raise DataError(
            f"The store {path} lacks {len(left_out)} photographs that could not be read when it was made, first "
            f"{left_out[0]}; delete the store to prepare it with them, or take it as it is with --skip-unreadable."
        )
    discard(path)  # of a process killed after it had renamed the store
    return store


def _refusal(refused: Mapping[str, str]) -> DataError:
    listed = "; ".join(f"{path}: {reason}" for path, reason in list(refused.items())[:3])
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    return DataError(
        f"Some photographs cannot be used ({listed}{more}); repair or remove them, or do not ask for strictness."
    )


def _check_space(path: Path, needed: int) -> None:
    free = _free_space(path.parent)
    if needed > free:
        raise DataError(
            f"Preparing {path} takes {size(needed)} more, but its disk has {size(free)} free, "
            f'{size(needed - free)} too little; make room, choose another disk, or use the encoding "jpeg".'
        )


def _free_space(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Say what an error of the operating system means for the store being written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            raise DataError(
                f"The disk is full: {partial(path)} cannot grow; make room and run again to continue."
            ) from error
        raise DataError(
            f"Cannot write the store {path}, or read what is done of it: {error.strerror or error}; mend that, or give "
            "another place."
        ) from error
