"""`alexnet serve`: a model over HTTP, and its page."""

from importlib.util import find_spec
from pathlib import Path

import click

from alexnet.cli.options import PATH, place_options, placed
from alexnet.cli.session import Session, common_options
from alexnet.errors import ConfigError

NEEDED = ("starlette", "uvicorn", "prometheus_client")
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def amount(ctx: click.Context, param: click.Parameter, text: str) -> int:
    """The count that a text with an SI prefix means: 20MB, 50M, 1000."""
    plain = text.strip().lower().removesuffix("b")
    unit = plain[-1:] if plain[-1:] in UNITS else ""
    try:
        found = int(float(plain.removesuffix(unit)) * UNITS[unit])
    except (ValueError, OverflowError):
        found = 0
    if found < 1:
        raise click.BadParameter(f"{text!r} is not an amount such as 20M.", ctx, param)
    return found


@click.command()
@click.argument("model", type=PATH)
@click.option("--run", "followed", type=PATH, metavar="RUN", help="A run directory, to follow on the page.")
@click.option("--features", type=PATH, metavar="FOLDER", help="Photographs to search, made by `alexnet features`.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, metavar="N", help="0: any.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A further name to answer to; repeatable.")
@click.option("--open", "browse", is_flag=True, help="Open the page in a browser.")
@click.option("--max-bytes", callback=amount, default="20M", show_default=True, metavar="N", help="Of a photograph.")
@click.option("--max-pixels", callback=amount, default="50M", show_default=True, metavar="N", help="Of a photograph.")
@click.option(
    "--queue", type=click.IntRange(0, 100_000), default=128, show_default=True, metavar="N",
    help="Views that may wait for the network; more are refused.",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(1, 1024), default=32, show_default=True, metavar="N",
    help="Views that go through the network together.",
)  # fmt: skip
@place_options
@common_options
@click.pass_obj
def serve(
    session: Session,
    model: Path,
    followed: Path | None,
    features: Path | None,
    host: str,
    port: int,
    hosts: tuple[str, ...],
    browse: bool,
    max_bytes: int,
    max_pixels: int,
    queue: int,
    batch: int,
    device: str,
    dtype: str,
    threads: int,
) -> None:
    """Answer over HTTP what photographs show, with a page to look inside the network.

    MODEL is a model directory, a run directory, an imported model, or an ONNX file that `alexnet export` wrote. Only
    this machine can reach the service unless --host says otherwise. Photographs are kept nowhere. The paths are
    described at /openapi.json. Ctrl-C or SIGTERM: what was accepted is answered, then it stops.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ConfigError(f"The service needs {', '.join(missing)}: pip install 'alexnet[serve]'.")
    from alexnet.cli.places import find_model
    from alexnet.serve.server import WILDCARDS, address, listen, run
    from alexnet.serve.service import Service
    from alexnet.serve.settings import Settings

    settings = Settings(
        host, port, hosts, max_bytes=max_bytes, max_pixels=max_pixels, queue=queue, batch=batch
    )  # fmt: skip
    with listen(settings) as server:
        placement = placed(device, dtype, threads)
        found = model if model.suffix == ".onnx" and model.is_file() else find_model(session, model)
        if found is model and model.suffix == ".onnx" and (device not in ("auto", "cpu") or dtype == "bf16"):
            raise ConfigError("ONNX files run on the CPU in fp32; leave --device and --dtype out.")
        service = Service(found, placement, settings, followed, features)
        shown = address(settings, server)

        def ready() -> None:
            click.echo(f"{shown}  (Ctrl-C stops)")
            if settings.is_open:
                unnamed = server.getsockname()[0] in WILDCARDS and not hosts
                more = "; browsers on others need --allow-host with the name that they ask for" if unnamed else ""
                session.warn(f"every machine that reaches {host} can use this service{more}.")
            if browse:
                click.launch(shown)

        def say(line: str, fault: bool) -> None:
            (session.warn if fault else session.note)(line)

        run(server, service, say, ready)
