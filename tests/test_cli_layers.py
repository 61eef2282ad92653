import json
from pathlib import Path

import pytest
from commanding import alexnet, refusal
from making import tiny_model

from alexnet.data.store import Store
from alexnet.model.account import account
from alexnet.model.options import OPTIONS
from alexnet.model.variants import VARIANTS, variant
from alexnet.weights.model_dir import save_model


def test_json_is_the_account() -> None:
    words = ("layers", "paper", "--json", "--classes", "17", "--input-size", "227")
    assert json.loads(alexnet(*words).stdout) == json.loads(
        json.dumps(account(variant("paper", classes=17, input_size=227)).to_json())
    )


def test_the_table_has_a_line_a_layer_and_totals() -> None:
    lines = alexnet("layers").stdout.splitlines()
    assert lines[0] == "paper, input 3 × 224 × 224"
    assert [line.split()[0] for line in lines[3:-3]] == [layer.name for layer in VARIANTS["paper"].layers]
    conv1 = "conv1 conv 96 × 55 × 55 11 4 0, 3 1 11 290,400 34,944 105,415,200 210,830,400 139,776"
    assert " ".join(lines[3].split()) == conv1
    assert " ".join(lines[-3].split()) == "total 659,272 60,965,224 724,406,816 1,448,813,632 243,860,896"


def test_a_model_directory_is_a_model(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    save_model(model, tmp_path / "run" / "model")
    for path in (tmp_path / "run" / "model", tmp_path / "run"):
        found = json.loads(alexnet("layers", path, "--json").stdout)
        assert found["total"]["parameters"] == sum(parameter.numel() for parameter in model.net.parameters())


def test_an_unknown_model_names_the_nearest() -> None:
    assert refusal("layers", "papr")[1].startswith("alexnet: error: Unknown model 'papr'; did you mean 'paper'?")


@pytest.mark.parametrize(
    ("size", "said"), [("30", "too small for 'paper'"), ("0", "input_size is 0, expected a number from 1")]
)
def test_an_impossible_input_size_is_refused(size: str, said: str) -> None:
    code, sentence = refusal("layers", "--input-size", size)
    assert code == 2
    assert said in sentence


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_can_be_printed(name: str) -> None:
    lines = alexnet("layers", name).stdout.splitlines()
    assert [line.split()[0] for line in lines[3:-3]] == [layer.name for layer in VARIANTS[name].layers]


def test_options_of_the_network_are_set_as_when_training() -> None:
    words = ("layers", "owt", "--set", "batch_norm=true", "--set", "groups=2", "--set", "activation=tanh", "--json")
    found = json.loads(alexnet(*words).stdout)
    assert found == json.loads(
        json.dumps(account(variant("owt", batch_norm=True, groups=2, activation="tanh")).to_json())
    )
    assert found["model"] == "owt+tanh+groups2+batch-norm"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("batchnorm=true", "Unknown setting of a network 'batchnorm'; did you mean 'batch_norm'"),
        ("batch_norm=yes", "The setting batch_norm takes true or false, not 'yes'."),
        ("classes", "A setting is written key=value, not 'classes'."),
        ("groups=5", "do not divide into 5 groups"),
        ("input_size=224", "The setting input_size is given twice, as '224' and as '227'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(setting: str, said: str) -> None:
    code, sentence = refusal("layers", "--set", setting, "--input-size", "227")
    assert code == 2
    assert said in sentence


def test_help_lists_what_can_be_set() -> None:
    shown = alexnet("layers", "--help").stdout
    assert all(name in shown and option.text in shown for name, option in OPTIONS.items())


def test_towers_show_what_passes_between_them_beside_the_arithmetic() -> None:
    result = alexnet("layers", "paper", "--towers", 2)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    conv3 = next(line for line in lines if line.startswith("conv3")).split()
    # 128 × 13 × 13 numbers of 2 bytes, and as many of gradients; three passes over half of conv3's multiply-adds
    assert conv3[4:] == ["both", "86,528", "56.8", "%", "224,280,576", "21.7", "%", "0.386"]
    assert "Each tower gives the other 152.4 KB for an image" in result.stdout
    assert not any(line.startswith(("relu1", "pool5")) for line in lines)


@pytest.mark.parametrize(
    ("name", "cross", "total"),
    [
        ("paper", None, 152_376),
        ("original2012", None, 122_344),  # its norms stay inside a tower
        ("paper", "conv3,conv4,conv5", 152_376 + 2 * 2 * 2 * 192 * 13 * 13),
        ("paper", "", 152_376 - 2 * 2 * 128 * 13 * 13),
        ("owt", "conv3", None),  # any network can be put in two groups so
    ],
)
def test_crossings_can_be_moved(name: str, cross: str | None, total: int | None) -> None:
    words = ["--cross", cross] if cross is not None else []
    found = json.loads(alexnet("layers", name, "--towers", 2, "--json", *words).stdout)
    reads = [row["name"] for row in found["layers"] if row["kind"] == "conv" and row["reads"] == "both"]
    assert reads == (["conv3"] if cross is None else list(filter(None, cross.split(","))))
    assert total is None or found["total"]["bytes"] == total


def test_towers_of_what_is_not_in_two_groups_and_crossings_without_towers_are_refused() -> None:
    assert "'owt' cannot stand in two towers" in refusal("layers", "owt", "--towers", 2)[1]
    assert "add --towers 2" in refusal("layers", "paper", "--cross", "conv3")[1]
    assert "'conv1' cannot cross" in refusal("layers", "paper", "--towers", 2, "--cross", "conv1")[1]
