from dataclasses import replace
from pathlib import Path

import pytest
import torch
from making import tiny_model, tiny_recipe, tiny_spec

from alexnet.data.store import Store
from alexnet.errors import ConfigError, DataError, WeightsError
from alexnet.model.options import with_options
from alexnet.model.spec import Linear
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


def test_a_network_beside_a_model_to_start_from_is_that_models(colours: Store) -> None:
    start = tiny_model(colours)
    own = what_to_train(colours, "tiny", tiny_recipe(), start)
    assert own[1] == tiny_spec() and own[2].model == "tiny", "widths and all, as the model brings them"
    with pytest.raises(ConfigError, match="'owt' was asked for, but the model to start from is 'tiny'; leave the net"):
        what_to_train(colours, "owt", tiny_recipe(), start)
    with pytest.raises(ConfigError, match="did you mean 'owt'"):
        what_to_train(colours, "otw", tiny_recipe(), start)
    printed = tiny_spec().with_norm(k=1.0)
    with pytest.raises(ConfigError, match=r"'tiny' was asked for, .* another: k of norm1 is 2\.0, not 1\.0"):
        what_to_train(colours, printed, tiny_recipe(), start)


def test_what_matters_to_training_only_and_what_the_recipe_changes_is_no_other_network(colours: Store) -> None:
    start = tiny_model(colours)
    drier = tiny_spec(dropout=0.1)
    warmer = drier.mapped(lambda layer: replace(layer, std=0.5) if isinstance(layer, Linear) else layer)
    without = replace(warmer, layers=tuple(layer for layer in warmer.layers if layer.name != "drop2"))
    for spec in (drier, warmer, without):
        assert what_to_train(colours, spec, tiny_recipe(), start)[1] == spec
    curved = with_options(tiny_spec(), activation="tanh")
    assert what_to_train(colours, curved, tiny_recipe(activation="tanh"), start)[1] == curved
    with pytest.raises(ConfigError, match="function of relu1 is 'relu', not 'tanh'"):
        what_to_train(colours, curved, tiny_recipe(), start)


def test_a_start_with_a_layer_replaced_is_refused(colours: Store) -> None:
    start = tiny_model(colours)
    start.net.relu1 = torch.nn.LeakyReLU()
    with pytest.raises(ConfigError, match="relu1 of 'tiny' was replaced by LeakyReLU"):
        what_to_train(colours, None, tiny_recipe(), start)


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
