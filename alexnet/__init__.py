"""AlexNet (Krizhevsky, Sutskever and Hinton 2012): prepare photographs, train the network, measure it, use it.

The names below are the public interface. They are imported on first use, so `import alexnet` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from alexnet.version import VERSION as VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from alexnet.data.preparation import Preparation as Preparation
    from alexnet.data.prepare import prepare as prepare
    from alexnet.data.sources.table import open_source as open_source
    from alexnet.data.store import Store as Store
    from alexnet.errors import AlexNetError as AlexNetError
    from alexnet.errors import ConfigError as ConfigError
    from alexnet.errors import DataError as DataError
    from alexnet.errors import ImageError as ImageError
    from alexnet.errors import WeightsError as WeightsError
    from alexnet.evaluation.evaluate import evaluate as evaluate
    from alexnet.evaluation.extract import extract as extract
    from alexnet.evaluation.predictor import Predictor as Predictor
    from alexnet.evaluation.predictor import predict as predict
    from alexnet.model.account import account as account
    from alexnet.model.device import place as place
    from alexnet.model.net import AlexNet as AlexNet
    from alexnet.model.spec import Spec as Spec
    from alexnet.model.variants import VARIANTS as VARIANTS
    from alexnet.model.variants import variant as variant
    from alexnet.training.recipe import Recipe as Recipe
    from alexnet.training.recipes import RECIPES as RECIPES
    from alexnet.training.recipes import recipe as recipe
    from alexnet.training.train import Runtime as Runtime
    from alexnet.training.train import resume as resume
    from alexnet.training.train import train as train
    from alexnet.weights.create import create as create
    from alexnet.weights.loading import load as load
    from alexnet.weights.model_dir import Model as Model
    from alexnet.weights.model_dir import load_model as load_model
    from alexnet.weights.model_dir import save_model as save_model

_HOMES = {
    "data.preparation": ("Preparation",),
    "data.prepare": ("prepare",),
    "data.sources.table": ("open_source",),
    "data.store": ("Store",),
    "errors": ("AlexNetError", "ConfigError", "DataError", "ImageError", "WeightsError"),
    "evaluation.evaluate": ("evaluate",),
    "evaluation.extract": ("extract",),
    "evaluation.predictor": ("Predictor", "predict"),
    "model.account": ("account",),
    "model.device": ("place",),
    "model.net": ("AlexNet",),
    "model.spec": ("Spec",),
    "model.variants": ("VARIANTS", "variant"),
    "training.recipe": ("Recipe",),
    "training.recipes": ("RECIPES", "recipe"),
    "training.train": ("Runtime", "resume", "train"),
    "weights.create": ("create",),
    "weights.loading": ("load",),
    "weights.model_dir": ("Model", "load_model", "save_model"),
}
_HOME_OF = {name: f"alexnet.{home}" for home, names in _HOMES.items() for name in names}

__all__ = ["VERSION", *_HOME_OF]


if not TYPE_CHECKING:  # a type checker would take every misspelt name for one that __getattr__ knows

    def __getattr__(name: str) -> object:
        """The public object of that name, imported now."""
        if name not in _HOME_OF:
            raise AttributeError(f"module 'alexnet' has no attribute {name!r}")
        return globals().setdefault(name, getattr(import_module(_HOME_OF[name]), name))


def __dir__() -> list[str]:
    return sorted(__all__)
