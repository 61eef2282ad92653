import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from making import tiny_model, tiny_spec

from alexnet.data.store import Store
from alexnet.errors import ConfigError, WeightsError
from alexnet.model.spec import Linear
from alexnet.weights.create import create
from alexnet.weights.model_dir import save_model


def test_a_new_network_is_a_function_of_its_seed_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (create(tiny_spec(), seed=seed, classes=["ash", "birch"]) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.net.get_parameter("conv1.weight"), same.net.get_parameter("conv1.weight"))
    assert not torch.equal(one.net.get_parameter("conv1.weight"), other.net.get_parameter("conv1.weight"))
    assert [category.name for category in one.categories] == ["ash", "birch"] and one.net.spec.classes == 2
    assert not one.net.training
    assert np.all(one.statistics.mean_image == np.float32(127.5))


def test_names_and_options_are_those_of_the_table() -> None:
    assert create("one_column_half", classes=3, input_size=67).net.spec.input_size == 67
    with pytest.raises(ConfigError, match="did you mean 'paper'"):
        create("papr")


def test_classes_are_a_number_of_any_kind_or_names_that_differ() -> None:
    assert create(tiny_spec(), classes=np.int64(5)).net.spec.classes == 5  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"'cat' is one name, not several; give \['cat'\]"):
        create(tiny_spec(), classes="cat")
    with pytest.raises(ConfigError, match="'ash' is the name of two classes; give each its own"):
        create(tiny_spec(), classes=["ash", "birch", "ash"])


def test_weights_bring_the_preparation_and_other_classes_a_new_last_layer(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    save_model(model, tmp_path / "model")
    same = create(tiny_spec(), weights=str(tmp_path / "model"))
    assert same.categories == model.categories
    assert torch.equal(same.net.get_parameter("fc3.weight"), model.net.get_parameter("fc3.weight"))
    for classes, count in ((4, 4), (["ash", "birch"], 2)):
        found = create(tiny_spec(), classes=classes, weights=tmp_path / "model", seed=3)
        assert found.net.spec.classes == len(found.categories) == count
        assert found.net.get_parameter("fc3.weight").shape == (count, 16)
        assert torch.equal(found.net.get_parameter("fc2.weight"), model.net.get_parameter("fc2.weight"))
        np.testing.assert_array_equal(found.statistics.mean_image, model.statistics.mean_image)
    named = create(tiny_spec(), classes=list("abcdef"), weights=tmp_path / "model")
    assert torch.equal(named.net.get_parameter("fc3.weight"), model.net.get_parameter("fc3.weight"))
    assert [category.name for category in named.categories] == list("abcdef")


def test_weights_of_another_network_and_options_beside_weights_are_refused(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    with pytest.raises(WeightsError, match="holds weights of 'tiny', not of 'paper'"):
        create("paper", weights=tmp_path / "model")
    with pytest.raises(ConfigError, match="leave dropout out"):
        create(tiny_spec(), weights=tmp_path / "model", dropout=0.1)


def test_a_spec_has_to_be_that_of_the_weights_but_for_the_classes(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    dry = tuple(layer for layer in tiny_spec().layers if layer.name != "drop2")
    assert create(tiny_spec(4), weights=tmp_path / "model").net.spec.classes == 6
    assert create(tiny_spec(4), weights=tmp_path / "model", classes=4).net.spec.classes == 4
    for spec, said in (
        (tiny_spec().with_norm(k=1.0), "k of norm1 is 2.0, not 1.0"),
        (tiny_spec(dropout=0.1), "rate of drop2 is 0.5, not 0.1"),
        (replace(tiny_spec(), input_size=40), "input_size is 32, not 40"),
        (replace(tiny_spec(), layers=dry), "it has drop2 (dropout) where fc3 (fc) should be"),
    ):
        with pytest.raises(WeightsError, match=re.escape(f"another network than the 'tiny' given: {said}; give its")):
            create(spec, weights=tmp_path / "model")


def test_a_network_without_a_number_for_each_class_is_refused() -> None:
    wide = replace(tiny_spec(), layers=(*tiny_spec().layers[:-1], Linear("fc3", 10)))
    assert create(wide, classes=10).net.spec.classes == 10
    with pytest.raises(ConfigError, match="The last layer fc3 of 'tiny' makes 10 numbers, not 6"):
        create(wide)


def test_a_kept_file_is_found_by_its_name(colours: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"weights/mine\.pth"):  # found, and found wanting
        create("owt", weights="mine.pth")
    with pytest.raises(WeightsError, match="no model at other"):
        create("owt", weights="other")
