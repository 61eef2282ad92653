import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from making import tiny_model

from alexnet.data.preparation import Preparation
from alexnet.data.store import Store
from alexnet.errors import AlexNetError, WeightsError
from alexnet.evaluation.evaluate import evaluate
from alexnet.evaluation.predictor import Predictor
from alexnet.show.saliency import saliency
from alexnet.weights.description import MODEL, STATISTICS, describe, from_texts, to_texts
from alexnet.weights.model_dir import Model


@pytest.fixture
def model(colours: Store) -> Model:
    made = tiny_model(colours)
    preparation = Preparation(std=(58.4, 57.1, 57.4), channels="BGR")
    return Model(made.net, made.categories, made.statistics, made.provenance, preparation)


@pytest.mark.parametrize("count", [1, 5, 12])
def test_a_model_with_more_or_fewer_names_than_outputs_is_not_put_to_use(
    model: Model, colours: Store, count: int
) -> None:
    wrong = replace(model, categories=(model.categories * 2)[:count])
    for use in (
        describe,
        Predictor,
        lambda model: evaluate(model, colours, split="test"),
        lambda model: saliency(model, np.zeros((256, 256, 3), np.uint8), ""),
    ):
        with pytest.raises(AlexNetError, match=f"has 6 outputs but names {count} classes; give a name for each output"):
            use(wrong)


def test_what_is_written_is_read(model: Model) -> None:
    texts = to_texts(model)
    assert all(isinstance(text, str) for text in texts.values())
    found = from_texts(texts, "file")
    assert (found.spec, found.categories) == (model.net.spec, model.categories)
    assert (found.provenance, found.preparation) == (model.provenance, model.preparation)
    for name, value in vars(model.statistics).items():
        assert np.array_equal(getattr(found.statistics, name), value), name


def test_other_programs_find_classes_mean_and_preparation(model: Model) -> None:
    texts = to_texts(model)
    assert json.loads(texts["classes"]) == [category.name for category in model.categories]
    assert json.loads(texts["preparation"]) == model.preparation.in_words
    mean = model.statistics.mean_image.reshape(-1, 3).astype(float).mean(0)
    assert json.loads(texts["mean"]) == pytest.approx(mean, abs=1e-4)  # rounded to so many digits


def test_a_file_of_another_program_is_told(model: Model) -> None:
    with pytest.raises(WeightsError, match=r"^x.onnx does not say what its classes are"):
        from_texts({"classes": "[]"}, "x.onnx")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 9}, "x is of format 9, this version reads format 1"),
        ({"classes": []}, "x has 6 outputs but names 0 classes"),
        ({"spec": {}}, "damaged"),
        ({"preparation": {"channels": "GBR"}}, "damaged: Unknown channels of a preparation 'GBR'"),
        ({"provenance": 7}, "damaged"),
    ],
)
def test_what_does_not_fit_is_told(model: Model, change: dict[str, Any], sentence: str) -> None:
    texts = to_texts(model)
    texts[MODEL] = json.dumps({**json.loads(texts[MODEL]), **change})
    with pytest.raises(WeightsError, match=sentence):
        from_texts(texts, "x")


def test_a_mean_image_of_another_shape_is_told(model: Model) -> None:
    texts = to_texts(model)
    plain = json.loads(texts[MODEL])
    assert plain["preparation"]["side"] == 256
    plain["preparation"]["side"] = 72
    said = r"damaged: The mean image has shape \(256, 256, 3\), but photographs of 72 × 72 .*3\)\.$"
    with pytest.raises(WeightsError, match=said):
        from_texts({**texts, MODEL: json.dumps(plain)}, "x")


def test_a_description_from_before_there_were_sides_means_256(model: Model) -> None:
    texts = to_texts(model)
    plain = json.loads(texts[MODEL])
    del plain["preparation"]["side"]
    assert from_texts({**texts, MODEL: json.dumps(plain)}, "x").preparation == model.preparation


@pytest.mark.parametrize(
    ("key", "text"), [(MODEL, "{"), (MODEL, "[]"), (STATISTICS, "*"), (STATISTICS, "AAAA"), (STATISTICS, "")]
)
def test_damage_is_told(model: Model, key: str, text: str) -> None:
    with pytest.raises(WeightsError, match="What x says of its model is damaged"):
        from_texts({**to_texts(model), key: text}, "x")
