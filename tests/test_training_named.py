from dataclasses import replace
from pathlib import Path

import pytest
from making import tiny_model, tiny_recipe, tiny_spec

from alexnet.data.store import Store
from alexnet.errors import ConfigError, DataError, WeightsError
from alexnet.training.named import what_to_train
from alexnet.training.recipes import recipe
from alexnet.weights.model_dir import save_model


def test_names_and_paths_stand_for_what_they_name(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "run" / "model")
    store, spec, chosen, start = what_to_train(str(colours.path), "owt", "demo", None)
    assert (store.fingerprint, spec.name, spec.classes) == (colours.fingerprint, "owt", 6)
    assert chosen == replace(recipe("demo"), model="owt") and start is None
    assert what_to_train(colours.path, None, "flowers17", None)[1].name == "tflearn"
    _, spec, chosen, start = what_to_train(colours, None, tiny_recipe(), tmp_path / "run")
    assert spec == tiny_spec() and chosen.model == "tiny" and start is not None


def test_a_model_as_the_network_is_one_to_start_from_and_a_spec_is_taken_as_it_is(
    colours: Store, three_colours: Store
) -> None:
    model = tiny_model(colours)
    _, spec, _, start = what_to_train(three_colours, model, tiny_recipe(), None)
    assert start is model and spec == tiny_spec(3) and model.net.spec.classes == 6
    assert what_to_train(colours, tiny_spec(5), tiny_recipe(), None)[1] == tiny_spec(5)
    with pytest.raises(ConfigError, match="leave one out"):
        what_to_train(colours, model, "demo", model)


def test_without_a_recipe_trained_weights_take_finetune_and_noise_the_papers(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    save_model(model, tmp_path / "model")
    for network, start in ((model, None), (None, model), (None, tmp_path / "model"), (tiny_spec(), model)):
        assert what_to_train(colours, network, None, start)[2].name == "finetune"
    for network in (None, "owt", tiny_spec()):
        assert what_to_train(colours, network, None, None)[2].name == "paper"
    assert what_to_train(colours, None, "demo", model)[2].name == "demo"


def test_what_is_not_there_is_named(colours: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'paper'"):
        what_to_train(colours, "papr", "demo", None)
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        what_to_train(colours, "paper", "demmo", None)
    with pytest.raises(DataError, match="no store at"):
        what_to_train(tmp_path / "nowhere", "paper", "demo", None)
    with pytest.raises(WeightsError, match="no model at"):
        what_to_train(colours, None, "demo", str(tmp_path / "nowhere"))
