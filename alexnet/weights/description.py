"""What a model is besides its parameters, as texts: the form in which files of other formats carry it along."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from safetensors import SafetensorError
from safetensors.torch import load, save

from alexnet.data.preparation import Preparation
from alexnet.data.source import Category
from alexnet.data.statistics import InputStatistics
from alexnet.errors import ConfigError, WeightsError
from alexnet.model.spec import Spec
from alexnet.schema import check, decode
from alexnet.weights.model_dir import CategoriesJson, Model, check_categories
from alexnet.weights.statistics_tensors import from_tensors, to_tensors

FORMAT = 1
MODEL, STATISTICS = "alexnet.model", "alexnet.statistics"


@dataclass(frozen=True)
class Description:
    """A model without its parameters."""

    spec: Spec
    categories: tuple[Category, ...]
    statistics: InputStatistics
    provenance: dict[str, Any]
    preparation: Preparation


def describe(model: Model) -> Description:
    """The model without its parameters. Raises WeightsError unless it names as many classes as it has outputs."""
    check_categories(model)
    return Description(model.net.spec, model.categories, model.statistics, model.provenance, model.preparation)


class DescriptionJson(TypedDict):
    """A description's "alexnet.model"."""

    format: int
    spec: dict[str, Any]
    classes: CategoriesJson
    preparation: dict[str, Any]
    provenance: dict[str, Any]


def to_texts(model: Model) -> dict[str, str]:
    """The model's description; `from_texts` gives it back.

    For other programs, as JSON: "classes" (names in the order of the outputs), "preparation" (in words) and "mean" (the
    mean pixel, RGB). For this one: "alexnet.model" (JSON) and "alexnet.statistics" (safetensors in base64).
    """
    exact = {
        "format": FORMAT,
        "spec": model.net.spec.to_json(),
        "classes": [asdict(category) for category in model.categories],
        "preparation": model.preparation.to_json(),
        "provenance": model.provenance,
    }
    return {
        "classes": _json([category.name for category in model.categories]),
        "preparation": _json(model.preparation.in_words),
        "mean": json.dumps([round(float(value), 4) for value in model.statistics.mean_image.mean((0, 1), float)]),
        MODEL: _json(exact),
        STATISTICS: b64encode(save(to_tensors(model.statistics))).decode("ascii"),
    }


def _json(value: object) -> str:
    """JSON of valid Unicode: what a name has that is none is escaped."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")


def from_texts(texts: Mapping[str, str], where: object) -> Description:
    """The description that `to_texts` gave, found in the file `where`. Raises WeightsError when there is none."""
    if MODEL not in texts or STATISTICS not in texts:
        raise WeightsError(
            f"{where} does not say what its classes are and how photographs are prepared for it; "
            "files written by `alexnet export` do."
        )
    try:
        plain = decode(texts[MODEL].encode("utf-8", "surrogatepass"))
        if isinstance(plain, dict) and plain.get("format") != FORMAT:
            raise WeightsError(
                f"{where} is of format {str(plain.get('format'))[:20]}, this version reads format {FORMAT}."
            )
        check(plain, DescriptionJson)
        statistics = from_tensors(load(b64decode(texts[STATISTICS], validate=True)))
        preparation = Preparation.from_json(plain["preparation"])
        statistics.check_side(preparation.side)
        found = Description(
            Spec.from_json(plain["spec"]),
            tuple(Category(**category) for category in plain["classes"]),
            statistics,
            dict(plain["provenance"]),
            preparation,
        )
    except (KeyError, TypeError, ValueError, RecursionError, SafetensorError, ConfigError) as error:
        raise WeightsError(f"What {where} says of its model is damaged: {str(error).rstrip('.')}.") from error
    if len(found.categories) != found.spec.classes:
        raise WeightsError(f"{where} has {found.spec.classes} outputs but names {len(found.categories)} classes.")
    return found
