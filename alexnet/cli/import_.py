"""`alexnet import`: weights of other programs as model directories."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from alexnet.cli.options import PATH
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import counted
from alexnet.errors import ConfigError, unknown
from alexnet.home import make
from alexnet.weights.formats import FORMATS

if TYPE_CHECKING:
    from alexnet.weights.model_dir import Model

SHOWN = 3  # classes


_EPILOG = "\b\nFormats:\n" + "\n".join(f"  {name:12} {row.text}" for name, row in FORMATS.items())


@click.command("import", epilog=_EPILOG)
@click.argument("form", metavar="FORMAT")
@click.argument("file", type=PATH, metavar="FILE|NAME")
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Where the model goes.  [default: the file's name without suffix; for a kept file, where verbs find NAME]",
)
@click.option(
    "--classes", type=PATH, metavar="FILE", help="Names of the classes: synset_words.txt, names, JSON, a model."
)
@click.option("--unnamed-classes", is_flag=True, help='Call the classes "class 0", "class 1", …')
@click.option("--mean", type=PATH, metavar="FILE", help="Caffe's mean image: .binaryproto or .npy.")
@click.option("--keep-bgr", is_flag=True, help="Leave conv1 in BGR.")
@click.option("--model", metavar="NAME", help="Which of Caffe's networks, where the file does not say.")
@click.option("--weights", metavar="NAME", help="Which set of weights, where a checkpoint holds several: model_ema.")
@click.option("--fc-rows", metavar="hwc|chw", help="Order of fc6's rows in a .npy.  [default: hwc]")
@common_options
@click.pass_obj
def import_(
    session: Session,
    /,
    form: str,
    file: Path,
    out: Path | None,
    classes: Path | None,
    unnamed_classes: bool,
    **options: Any,
) -> None:
    """Make a model of another program's weights, which predicts what they predict there.

    NAME is that of a file that `alexnet weights` keeps. The files of weights do not name their classes: a thousand of
    them are taken for ImageNet's, and --classes says where other names are, in the order of the network's outputs.
    Files may come from strangers: nothing in them is executed.
    """
    from alexnet.cli.places import find_weights, imported
    from alexnet.weights.foreign.class_names import unnamed_classes as numbered
    from alexnet.weights.formats import import_weights
    from alexnet.weights.model_dir import save_model

    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    given = {name: value for name, value in options.items() if value}
    if odd := sorted(set(given) - set(FORMATS[form].takes)):
        raise ConfigError(f"--{odd[0].replace('_', '-')} has no meaning for {form}; leave it out.")
    if classes is not None and unnamed_classes:
        raise ConfigError("--classes and --unnamed-classes exclude each other; leave one out.")
    found = find_weights(session, file)
    place = out or (Path(file.stem) if found == file else imported(file.stem))
    if place.exists():
        raise ConfigError(f"{place} exists already; say with --out where the model is to go.")
    model = import_weights(found, form, classes=numbered if unnamed_classes else classes, **given)
    count = len(model.categories)
    if not unnamed_classes and model.categories == numbered(count):
        raise ConfigError(
            f"{found} has {count:,} outputs without names: give the file of their names with --classes, or "
            "--unnamed-classes."
        )
    if place.parent == imported(place.name).parent:
        make(place.parent)
    save_model(model, place)
    _print(session, model, form, found, place)


def _print(session: Session, model: "Model", form: str, file: Path, place: Path) -> None:
    from alexnet.cli.places import imported

    spec = model.net.spec
    parameters = sum(parameter.numel() for parameter in model.net.parameters())
    names = "; ".join(category.name.partition(",")[0] for category in model.categories[:SHOWN])
    click.echo(f"Source   {file} ({model.provenance.get('format', form)})")
    click.echo(f"Network  {spec.name}, {spec.input_size} pixels, {counted(parameters, 'parameter')}")
    click.echo(f"Classes  {len(model.categories):,}: {names}{'; …' if len(model.categories) > SHOWN else ''}")
    for name, text in model.preparation.in_words.items():
        click.echo(f"{name.capitalize():8} {text}")
    for text in model.provenance.get("conversions", ()):
        click.echo(f"Done     {text}")
    click.echo(f"Model    {place}")
    called = place.name if place == imported(place.name) else str(place)
    session.note(f"Next     alexnet predict {quote(called)} PHOTOGRAPH")
