"""`alexnet recipes`: how networks are trained here, and every setting by name."""

import click

from alexnet.cli.options import json_option
from alexnet.cli.session import common_options
from alexnet.cli.terminal import print_json, print_table
from alexnet.training.recipe import settings_table
from alexnet.training.recipes import RECIPES, recipe


@click.command()
@click.argument("name", required=False)
@json_option
@common_options
def recipes(name: str | None, as_json: bool) -> None:
    """List the recipes; with NAME, show its settings beside what each means.

    Any of them can be changed with --set, as in: alexnet train DATA --recipe small --set epochs=60
    """
    if as_json:
        chosen = {name: recipe(name)} if name else {each: found for each, (found, _) in RECIPES.items()}
        print_json({each: found.to_json() for each, found in chosen.items()})
        return
    if name is None:
        print_table(
            ["recipe", "network", ">epochs", ">batch", ">lr", "schedule", ""],
            [
                [each, found.model, f"{found.epochs:,}", f"{found.batch_size}", f"{found.lr:g}", found.schedule, text]
                for each, (found, text) in RECIPES.items()
            ],
        )
        click.echo()
    paper = settings_table()
    if name is None or name == "paper":
        print_table(["setting", "paper", "meaning"], paper)
        return
    rows = [
        [key, value, "" if value == printed else printed, text]
        for (key, value, text), (_, printed, _) in zip(settings_table(recipe(name)), paper, strict=True)
    ]
    print_table(["setting", name, "paper", "meaning"], rows)
