"""The recipes by name: each a few differences from the paper's, with the reason or source beside it."""

from alexnet.errors import unknown
from alexnet.training.recipe import LayerRate, Recipe

RECIPES: dict[str, tuple[Recipe, str]] = {
    "paper": (Recipe(), "section 5 of the paper, as printed"),
    # Runs of configuration 145 on ILSVRC-2012: rates and epochs from the logs and parameter files of the 2012 release.
    "original2012": (
        Recipe(
            name="original2012",
            model="original2012",
            epochs=91,
            schedule="steps",
            lr_steps=(25, 51, 79),
            bias_rate=2.0,
            bias_falls=False,
            bias_decay=False,
            layer_rates=(LayerRate("conv1", 67, 1e-5), LayerRate("conv1", 72, 0.0)),
            colour_noise_epochs=67,
            noise_divisor=1.1,
            crop_group=32,
            reshuffle=False,
        ),
        "what the released 2012 code did, with its epochs for each drop",
    ),
    # The often copied tflearn program for this set; tflearn's momentum is 0.9, and it decays nothing.
    "flowers17": (
        Recipe(
            name="flowers17",
            model="tflearn",
            epochs=1000,
            batch_size=64,
            lr=0.001,
            weight_decay=0.0,
            schedule="constant",
            random_crop=False,
            mirror=False,
            colour_noise=0.0,
            holdout=0.1,
        ),
        "the tflearn program for 17 flowers, corrected to 17 outputs",
    ),
    # Chosen on held-out training photographs of 17 flowers, the network on those of Imagewoof: results/search has what
    # was tried. The paper's rate of 0.01 does not leave ln(classes) on sets this small when training starts with it; a
    # rate that is reached slowly does.
    "small": (
        Recipe(
            name="small",
            model="original2012",
            epochs=150,
            batch_size=32,
            lr=0.006,
            weight_decay=1e-3,
            bias_rate=2.0,
            bias_decay=False,
            schedule="cosine",
            warmup=12.0,
            crop_area=0.35,
            crop_aspect=1.33,
            label_smoothing=0.1,
            holdout=0.0,
        ),
        "a few thousand photographs, from scratch",
    ),
    # Chosen on held-out training photographs of 17 flowers, from a network trained on Imagenette: docs/fine-tuning.md.
    "finetune": (
        Recipe(
            name="finetune",
            epochs=30,
            batch_size=32,
            lr=0.003,
            bias_rate=2.0,
            last_rate=10.0,
            bias_decay=False,
            schedule="cosine",
            crop_area=0.35,
            crop_aspect=1.33,
            holdout=0.0,
        ),
        "other photographs, from trained weights",
    ),
    "demo": (
        Recipe(
            name="demo",
            epochs=16,
            batch_size=32,
            lr=0.002,
            bias_decay=False,
            schedule="cosine",
            warmup=1.0,
            holdout=0.0,
        ),
        "the built-in set, in a few minutes",
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`. Raises ConfigError, naming the nearest, for a name that is not in `RECIPES`."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name][0]


def usual(trained: bool) -> str:
    """The name of the recipe that is taken where none is asked for, from `trained` weights or from noise."""
    return "finetune" if trained else "paper"
