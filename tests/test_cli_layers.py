import json
from dataclasses import replace
from pathlib import Path

import pytest
from commanding import alexnet, refusal
from making import tiny_model

from alexnet.data.store import Store
from alexnet.model.account import account
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


@pytest.mark.parametrize(("size", "said"), [("30", "too small for 'paper'"), ("0", "must be at least 1, not 0")])
def test_an_impossible_input_size_is_refused(size: str, said: str) -> None:
    code, sentence = refusal("layers", "--input-size", size)
    assert code == 2
    assert said in sentence


def test_models_lists_every_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "other", replace(VARIANTS["paper"], name="other", input_size=227, summary="Larger."))
    listed = json.loads(alexnet("models", "--json").stdout)
    assert [row["name"] for row in listed] == list(VARIANTS)
    assert listed[0]["parameters"] == 60_965_224
    assert listed[0]["macs"] == 724_406_816
    assert listed[-1]["input"] == [3, 227, 227]
    shown = alexnet("models").stdout
    assert "60,965,224" in shown
    assert "other: Larger." in shown
