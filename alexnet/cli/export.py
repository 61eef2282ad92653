"""`alexnet export`: models as files for other programs."""

from pathlib import Path

import click

from alexnet.cli.options import PATH
from alexnet.cli.session import Session, common_options
from alexnet.cli.terminal import size
from alexnet.errors import ConfigError, unknown

FORMATS = {
    "onnx": "the network, for ONNX Runtime and others",
    "torch-export": "the network, for torch.export.load without this package",
    "safetensors": "the weights under the names of the layers",
    "torchvision": "the weights of an owt network under torchvision's names",
}
_EPILOG = (
    "\b\nFormats:\n"
    + "\n".join(f"  {name:12}  {text}" for name, text in FORMATS.items())
    + "\n\nEvery file is read again, and its answers are compared with the network's, before it is kept. "
    + "All but torchvision's hold the classes, the mean and the preparation of photographs as well."
)


@click.command(epilog=_EPILOG)
@click.argument("model", type=PATH)
@click.option("--format", "kind", required=True, metavar="NAME", help="The format, one of those below.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="The file.  [default: named after the network, here]")
@click.option(
    "--input",
    "taken",
    metavar="images|views",
    help="What an ONNX file takes. images: uint8 RGB photographs as they lie in a store (256 × 256 for most models), "
    "cropped and centred inside; views: float32 views, cropped and centred already.  [default: images]",
)
@click.option("--decompose-lrn", is_flag=True, help="ONNX without LRN nodes, for programs that lack them.")
@common_options
@click.pass_obj
def export(session: Session, model: Path, kind: str, out: Path | None, taken: str | None, decompose_lrn: bool) -> None:
    """Write a model as a file for other programs.

    MODEL is a model directory, as `alexnet train` leaves in its run directory. A file that is there is replaced.
    """
    from alexnet.cli.places import find_model
    from alexnet.weights.export import SUFFIXES
    from alexnet.weights.export import export as write
    from alexnet.weights.model_dir import load_model
    from alexnet.weights.onnx.graph import FORMS, PROBABILITIES, GraphOptions

    if kind not in FORMATS:
        raise unknown("format", kind, FORMATS)
    if kind != "onnx" and (taken or decompose_lrn):
        raise ConfigError(f"--{'input' if taken else 'decompose-lrn'} has no meaning for {kind}; leave it out.")
    loaded = load_model(find_model(session, model))
    spec, options = loaded.net.spec, GraphOptions(taken or "images", decompose_lrn)
    path = out or Path(spec.name + SUFFIXES[kind])
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ConfigError(f"{path} cannot be written: give a file, in a folder that is there.")
    agreement = write(loaded, path, kind, options)
    click.echo(f"File      {path}, {size(path.stat().st_size)}")
    prepared = kind == "onnx" and options.input == "images"
    if kind != "safetensors":
        views = f"float32 ({', '.join(map(str, ('N', spec.channels, spec.input_size, spec.input_size)))})"
        click.echo(f"Takes     {FORMS['images'].format(side=loaded.preparation.side) if prepared else views}")
        for name, text in loaded.preparation.in_words.items():
            if name == "resize" or not prepared:
                click.echo(f"{name.capitalize():9} {text}")
    if kind == "onnx":
        click.echo(f"Gives     {spec.layers[-1].name} (logits), {PROBABILITIES}")
    click.echo(
        f"Compared  {agreement.inputs} pictures: logits differ by {agreement.difference:.1e} at most, the largest "
        f"is {agreement.largest:.3g}"
    )
