import json
from pathlib import Path

from commanding import alexnet, refusal
from making import tiny_model

from alexnet.data.store import Store
from alexnet.model.account import account
from alexnet.model.variants import networks, variant
from alexnet.weights.model_dir import save_model


def test_all_networks_are_listed_with_their_numbers() -> None:
    listed = json.loads(alexnet("models", "--json").stdout)
    assert [row["name"] for row in listed] == list(networks())
    for row in listed:
        found = account(variant(row["name"]))
        assert (row["parameters"], row["macs"]) == (found.total("parameters"), found.total("macs"))
        assert row["input"] == list(found.input)
    shown = alexnet("models").stdout
    for name, spec in networks().items():
        assert f"\n{name}: {spec.summary}\n" in shown
        assert f"\n{name}: {spec.summary}\n  Source: {spec.source}.\n" in alexnet("models", name).stdout
    assert shown.index("\ntflearn: ") < shown.index("\nNot for photographs: ") < shown.index("\ncifar_four ")
    flat = [" ".join(line.split()) for line in shown.splitlines()]
    assert "paper 60,965,224 724,406,816 3 × 224 × 224 64 1,000 n 5, k 2, α 0.0001/n, β 0.75" in flat
    assert "tflearn 87,711,121 1,410,616,864 3 × 227 × 227 1 17 n 11, k 1, α 0.0001, β 0.75" in flat
    assert "owt 61,100,840 714,188,480 3 × 224 × 224 63 1,000 none" in flat


def test_two_networks_stand_side_by_side() -> None:
    flat = [" ".join(line.split()) for line in alexnet("models", "paper", "original2012").stdout.splitlines()]
    assert flat[0] == "paper original2012"
    for line in (
        "parameters 60,965,224 60,965,224",
        "conv3 std 0.01 0.03",
        "norm1 towers 1 2",
        "relu1 after conv1, activation, function relu –",
        "relu1 – after pool1, activation, function relu",
    ):
        assert line in flat
    found = json.loads(alexnet("models", "paper", "original2012", "--json").stdout)
    assert [each["name"] for each in found["models"]] == ["paper", "original2012"]
    assert {"layer": "conv3", "one": {"std": 0.01}, "other": {"std": 0.03}} in found["differences"]


def test_padding_reads_as_in_the_table_of_layers() -> None:
    flat = [" ".join(line.split()) for line in alexnet("models", "paper", "caffenet").stdout.splitlines()]
    assert "conv1 padding 0, 3 0, 0" in flat


def test_what_is_set_is_set_for_all_that_are_shown() -> None:
    words = ("models", "paper", "ungrouped", "--set", "groups=1", "--input-size", "227", "--json")
    one, other = json.loads(alexnet(*words).stdout)["models"]
    assert (one["name"], other["name"]) == ("paper+groups1", "ungrouped")
    assert one["parameters"] == other["parameters"] == account(variant("ungrouped")).total("parameters")
    assert one["input"] == other["input"] == [3, 227, 227]


def test_a_model_directory_can_be_compared_with_a_name(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    shown = alexnet("models", tmp_path / "model", "paper").stdout.splitlines()
    assert shown[0].split() == ["tiny", "paper"]


def test_three_networks_and_an_unknown_one_are_refused() -> None:
    code, sentence = refusal("models", "paper", "owt", "tflearn")
    assert code == 2
    assert "Two networks can be compared, not more." in sentence
    assert "Unknown model 'papr'; did you mean 'paper'?" in refusal("models", "papr")[1]


def test_published_errors_and_preparation_stand_beside_the_row_they_are_of_and_no_other() -> None:
    shown = alexnet("models", "bvlc_alexnet").stdout
    assert "  Channels: BGR.\n" in shown
    assert "  Errors: 42.9 % top-1, 19.8 % top-5, ILSVRC-2012 validation, centre crop (BVLC/caffe models/" in shown
    for changed in ("batch_norm=true", "input_size=224"):
        assert "Errors" not in alexnet("models", "bvlc_alexnet", "--set", changed).stdout


def test_an_abbreviated_source_is_explained() -> None:
    assert alexnet("models", "original2012").stdout.splitlines()[-1].startswith("CHM: the code of 2012 as the Computer")
    assert "CHM" not in alexnet("models", "owt").stdout
