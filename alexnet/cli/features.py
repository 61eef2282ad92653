"""`alexnet features`: the stages of a network for many photographs, on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet.cli.options import PATH, max_pixels_option, place_options, placed
from alexnet.cli.session import Session, progress_options
from alexnet.cli.terminal import counted, duration, size
from alexnet.errors import ConfigError, DataError
from alexnet.reading import MAX_LIST, UnfitFileError, read_text

if TYPE_CHECKING:
    from alexnet.evaluation.extraction import Plan
    from alexnet.evaluation.photographs import Photographs
    from alexnet.evaluation.predictor import Predictor


@click.command(
    epilog="DATA is a store, a folder (its photographs in the order of their names' bytes), or a text file with a path "
    "a line, whose order is kept. Call it again to go on with what was stopped."
)
@click.argument("model", type=PATH)
@click.argument("data", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, metavar="FOLDER", help="The folder to be made.")
@click.option("--stages", default="relu7", show_default=True, metavar="LIST", help="Layers, e.g. pool5,relu6,relu7.")
@click.option("--split", metavar="NAME", help="Of a store: train, val, test or all.  [default: all]")
@click.option(
    "--crops", default="1", show_default=True, metavar="1|10-mean", help="The centre, or the mean of ten views."
)
@click.option("--store", "stored", default="fp32", show_default=True, metavar="fp32|fp16", help="Numbers on disk.")
@click.option("--pool", default="none", show_default=True, metavar="none|mean", help="Maps: all places, or their mean.")
@click.option("--also", default="", metavar="h5|csv", help="Copies in the folder: h5, csv, or h5,csv.")
@max_pixels_option
@click.option("--strict", is_flag=True, help="Stop at a photograph that cannot be used.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out files that cannot be opened or read.")
@click.option("--dry-run", is_flag=True, help="Say size and duration, and stop.")
@place_options
@progress_options
@click.pass_obj
def features(
    session: Session,
    model: Path,
    data: Path,
    out: Path,
    stages: str,
    split: str | None,
    crops: str,
    stored: str,
    pool: str,
    also: str,
    max_pixels: int | None,
    strict: bool,
    skip_unreadable: bool,
    dry_run: bool,
    device: str,
    dtype: str,
    threads: int,
) -> None:
    """Write the outputs of stages for all photographs of DATA, one memory-mapped .npy file a stage.

    Numbers are fp32 unless --dtype says otherwise, since bf16 is off by some tenths of a per cent. relu7 is the last
    hidden layer as the paper and Caffe's blob fc7 mean it; fc7 here is the same before its ReLU.
    """
    from alexnet.cli.places import find_model, is_store, no_limit
    from alexnet.cli.progress import Meter
    from alexnet.data.decode import MAX_PIXELS
    from alexnet.evaluation.copies import check_copies
    from alexnet.evaluation.extraction import Plan, before_relu, seconds_a_photograph, write_features
    from alexnet.evaluation.predictor import Predictor

    if crops not in ("1", "10-mean"):
        raise ConfigError(f"--crops takes 1 or 10-mean, not {crops!r}.")
    kinds = tuple(dict.fromkeys(filter(None, also.split(","))))
    check_copies(kinds)
    found = find_model(session, model)
    if max_pixels is not None and is_store(str(data)):
        raise no_limit(str(data))
    placement = placed(device, "fp32" if dtype == "auto" else dtype, threads)
    predictor = Predictor(found, placement=placement, max_pixels=max_pixels or MAX_PIXELS)
    spec = predictor.description.spec
    plan = Plan(tuple(filter(None, stages.split(","))), 1 if crops == "1" else 10, stored, pool)
    sizes = plan.size(spec, 1)
    for stage in plan.stages:
        if before_relu(spec, stage):
            session.note(f"{stage} is before its ReLU here; Caffe's blob of that name is after it.")
    photographs = _photographs(predictor, data, split, skip_unreadable)
    count = len(photographs.names)
    for line in _announcement(plan, predictor, count):
        session.note(line)
    if copies := plan.copies_size(spec, count, kinds):
        session.note(f"Copies ({', '.join(kinds)}): about {size(copies)} more")
    session.note(f"About {duration(count * seconds_a_photograph(predictor, plan))} for the network.")
    if dry_run:
        click.echo(f"{size(count * sum(sizes.values()) + copies)} for {counted(count, 'photograph')}")
        return
    with Meter(session) as meter:
        written = write_features(
            found,
            predictor,
            photographs,
            out,
            plan,
            strict=strict,
            also=kinds,
            progress=lambda done, total: meter.count("extracting", done, total),
        )
    click.echo(f"Features {out}, {counted(len(written), 'row')}")
    if refused := count - len(written):
        session.warn(f"refused: {counted(refused, 'photograph')}; {out / 'refused.jsonl'} says why.")


def _announcement(plan: "Plan", predictor: "Predictor", count: int) -> Sequence[str]:
    spec = predictor.description.spec
    lines = []
    for (stage, shape), taken in zip(plan.shapes(spec).items(), plan.size(spec, count).values(), strict=False):
        sides = " × ".join(f"{each:,}" for each in shape)
        lines.append(f"{counted(count, 'photograph')} × {stage} {sides} × {plan.stored} = {size(taken)}")
    return lines


def _photographs(predictor: "Predictor", data: Path, split: str | None, skip_unreadable: bool) -> "Photographs":
    """The photographs that DATA stands for. Raises ConfigError and DataError for what it cannot be."""
    from alexnet.cli.places import is_store
    from alexnet.data.sources.files import FolderFiles
    from alexnet.data.sources.photographs import is_photograph
    from alexnet.data.store import Store
    from alexnet.evaluation.photographs import of_files, of_split

    if is_store(str(data)):
        return of_split(Store.open(data), split or "all")
    if split is not None:
        raise ConfigError(f"--split goes with a store, and {data} is none.")
    if data.is_dir():
        names = sorted(filter(is_photograph, FolderFiles(data).sizes), key=lambda name: name.encode(errors="replace"))
        found = of_files((data / name for name in names), predictor, skip_unreadable=skip_unreadable)
    elif data.is_file():
        # a million paths are small as texts alone
        try:
            lines = read_text(data, MAX_LIST, errors="surrogateescape")
        except (OSError, UnfitFileError) as error:
            why = getattr(error, "strerror", None) or error
            raise DataError(f"The list {data} cannot be read ({why}).") from error
        paths = (data.parent / line.rstrip("\n") for line in lines if line.strip())
        found = of_files(paths, predictor, skip_unreadable=skip_unreadable)
    else:
        raise DataError(f"There is nothing at {data}; give a store, a folder, or a file that lists photographs.")
    if not found.names:
        raise DataError(f"{data} has no photographs.")
    return found
