import copy
import json
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from limiting import files_of_at_most
from making import tiny_model, tiny_spec
from safetensors.torch import load_file, save_file

from alexnet.data.preparation import Preparation
from alexnet.data.source import Category
from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError, WeightsError
from alexnet.model.net import AlexNet
from alexnet.weights import model_dir
from alexnet.weights.files import sha256
from alexnet.weights.model_dir import Model, fingerprint, load_model, read_description, save_model


@pytest.fixture
def model(colours: Store) -> Model:
    return tiny_model(colours)


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "run" / "model")
    return tmp_path / "run" / "model"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes model.json, with checksums that fit the files beside it."""
    description = json.loads((path / "model.json").read_text())
    for name in description["sha256"]:
        description["sha256"][name] = sha256(path / name)
    change(description)
    if "fingerprint" in description:
        description["fingerprint"] = fingerprint(description)
    (path / "model.json").write_text(json.dumps(description))


def test_a_model_comes_back_bit_for_bit(model: Model, saved: Path) -> None:
    back = load_model(saved)
    before, after = model.net.state_dict(), back.net.state_dict()
    assert list(before) == list(after)
    for name, tensor in before.items():
        assert after[name].dtype is torch.float32
        assert torch.equal(after[name], tensor), name
    for each in fields(model.statistics):
        assert np.array_equal(getattr(back.statistics, each.name), getattr(model.statistics, each.name)), each.name
    assert back.net.spec == model.net.spec
    assert (back.net.spec.summary, back.categories, back.provenance) == (
        model.net.spec.summary,
        model.categories,
        model.provenance,
    )


def test_a_network_alone_is_no_model(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"A model is an alexnet.Model, not .*AlexNet; .* alexnet.Model\(net, "):
        save_model(model.net, tmp_path / "model")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_names_that_are_no_unicode_come_back(in_bytes: Store, tmp_path: Path) -> None:
    save_model(tiny_model(in_bytes), tmp_path / "m")
    assert load_model(tmp_path / "m").categories == in_bytes.classes
    assert r"Amber\udce9, Blue\udce9" in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")


def test_a_loaded_model_answers_and_can_be_trained_on(saved: Path, model: Model) -> None:
    back = load_model(saved)
    assert not back.net.training
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(back.net(images), model.net(images))
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in back.net.parameters())


def test_working_copies_in_other_numbers_and_layouts_are_saved_as_fp32(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    reference = {name: tensor.bfloat16().float() for name, tensor in model.net.state_dict().items()}
    model.net.to(torch.bfloat16, memory_format=torch.channels_last)
    save_model(model, tmp_path / "m")
    for name, tensor in load_file(tmp_path / "m" / "model.safetensors").items():
        assert tensor.dtype is torch.float32
        assert torch.equal(tensor, reference[name]), name


def test_a_model_takes_the_place_of_one_that_is_there(saved: Path, colours: Store) -> None:
    newer = tiny_model(colours, seed=1)
    for left in (".model.tmp", ".model.old"):  # by a process that was killed
        (saved.parent / left).mkdir()
        (saved.parent / left / "model.safetensors").write_bytes(b"half")
    save_model(newer, saved)
    assert torch.equal(load_model(saved).net.get_parameter("fc2.weight"), newer.net.get_parameter("fc2.weight"))
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_nothing_but_a_model_is_replaced(model: Model, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "thesis"
    if kind == "file":
        place.write_text("years of work")
    else:
        place.mkdir()
        (place / "chapter1").write_text("years of work")
    with pytest.raises(AlexNetError, match=r"thesis exists and is not a model directory"):
        save_model(model, place)
    assert "years of work" in [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]


def test_a_disk_that_fills_up_leaves_the_old_model(saved: Path, colours: Store, model: Model) -> None:
    newer = tiny_model(colours, seed=1)
    for size in (5_000, 100_000):  # the weights do not fit; the mean image does not fit
        with files_of_at_most(size), pytest.raises(AlexNetError, match=r"Cannot write .*/model: .*large"):
            save_model(newer, saved)
    assert torch.equal(load_model(saved).net.get_parameter("fc2.weight"), model.net.get_parameter("fc2.weight"))
    assert list(saved.parent.iterdir()) == [saved]


def test_a_place_that_cannot_be_written_is_a_sentence(model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        AlexNetError, match=r"Cannot write .*file/model: File exists; free some space or choose another place"
    ):
        save_model(model, tmp_path / "file" / "model")


@pytest.mark.parametrize("name", ["model.safetensors", "input.safetensors"])
def test_a_flipped_bit_is_found_by_its_checksum(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[-5] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{name} is damaged: its SHA-256 is not the one in model\.json; copy it"):
        load_model(saved)


@pytest.mark.parametrize("name", ["model.safetensors", "input.safetensors"])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(WeightsError, match=rf"lacks its file {name}; copy the whole directory"):
        load_model(saved)


def test_a_model_card_is_not_needed(saved: Path) -> None:
    (saved / "README.md").unlink()
    load_model(saved)


def test_places_without_a_model_are_told_apart(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"There is no model at .*nowhere; give the directory that `alexnet train`"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match=r"run is not a model directory: .*; did you mean .*run/model\?"):
        load_model(saved.parent)
    with pytest.raises(WeightsError, match=r"is not a model directory: it has no model\.json\.$"):
        load_model(tmp_path)
    with pytest.raises(WeightsError, match=r"model\.json is not a model directory"):
        load_model(saved / "model.json")


CAFFE = Preparation(resize="squash", interpolation="bilinear", channels="BGR", mean_at="crop")


@pytest.mark.parametrize("preparation", [CAFFE, Preparation(std=(58.395, 57.12, 57.375))])
def test_the_preparation_comes_back(model: Model, tmp_path: Path, preparation: Preparation) -> None:
    save_model(replace(model, preparation=preparation), tmp_path / "m")
    assert load_model(tmp_path / "m").preparation == preparation


def test_a_model_of_format_1_is_prepared_as_all_of_that_time(saved: Path) -> None:
    edit(saved, lambda description: description.update(format=1, preparation={"channels": "RGB", "mean": "image, …"}))
    assert load_model(saved).preparation == Preparation()
    assert read_description(saved)["preparation"] == Preparation().to_json()


@pytest.mark.parametrize("preparation", [{"resize": "squish"}, {"rotate": 90}, "in words", None])
def test_an_unknown_preparation_is_a_sentence(saved: Path, preparation: object) -> None:
    edit(saved, lambda description: description.update(preparation=preparation))
    with pytest.raises(WeightsError, match=r"one that this version reads|preparation is .*, expected an object"):
        load_model(saved)


def test_a_flipped_bit_anywhere_in_the_description_is_noticed(saved: Path) -> None:
    content, rng = (saved / "model.json").read_bytes(), random.Random(0)
    before = read_description(saved)
    for _ in range(1000):
        place = rng.randrange(8 * len(content))
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        (saved / "model.json").write_bytes(changed)
        try:
            after = read_description(saved)
        except WeightsError:
            continue
        assert after == before  # white space


def test_a_model_without_a_fingerprint_is_read(saved: Path) -> None:
    edit(saved, lambda description: description.pop("fingerprint"))
    assert "fingerprint" not in read_description(saved)
    load_model(saved)


def test_statistics_of_a_mean_alone_are_saved(model: Model, tmp_path: Path) -> None:
    save_model(replace(model, statistics=InputStatistics.of_mean([123, 117, 104])), tmp_path / "m")
    back = load_model(tmp_path / "m").statistics
    assert (back.images, back.mean_image[7, 9].tolist()) == (0, [123, 117, 104])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"format": 3}', "is of format 3, this version reads formats 1 and 2"),
        ("{}", "is of format None"),
        ("[1]", "it is [1], expected an object"),
        ("[" * 100_000, "it is more than 50 deep"),
        ('{"format": NaN}', "it holds NaN"),
        ('{"format": 1, ', "model.json is damaged"),
    ],
)
def test_another_format_is_a_sentence(saved: Path, text: str, sentence: str) -> None:
    (saved / "model.json").write_text(text)
    with pytest.raises(WeightsError, match=re.escape(sentence)):
        read_description(saved)


@pytest.mark.parametrize("key", ["spec", "classes", "preparation", "provenance", "sha256"])
def test_a_description_that_lacks_a_part_is_a_sentence(saved: Path, key: str) -> None:
    edit(saved, lambda description: description.pop(key))
    with pytest.raises(WeightsError, match=rf"model\.json is damaged, or no model's: {key} is missing"):
        load_model(saved)


def test_a_layer_of_the_future_is_a_sentence(saved: Path) -> None:
    edit(saved, lambda description: description["spec"]["layers"][0].update(kind="attention"))
    with pytest.raises(WeightsError, match=r"not one that this version reads: Unknown kind of layer 'attention'"):
        load_model(saved)


def test_a_model_from_before_there_were_sides_takes_photographs_of_256_pixels(model: Model, saved: Path) -> None:
    edit(saved, lambda description: description["preparation"].pop("side"))
    assert load_model(saved).preparation == model.preparation


def test_a_mean_image_of_another_side_than_the_preparation_s_is_told(saved: Path) -> None:
    edit(saved, lambda description: description["preparation"].update(side=72))
    with pytest.raises(WeightsError, match=r"has shape \(256, 256, 3\), but photographs of 72 × 72 pixels need"):
        load_model(saved)


def test_tensors_of_other_shapes_are_named(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    weights["fc2.bias"] = torch.zeros(17)
    save_file(weights, saved / "model.safetensors")
    edit(saved, lambda _: None)
    with pytest.raises(WeightsError, match=r"fc2\.bias has shape \(17,\), expected \(16,\) \(1 of 6 tensors differ\)"):
        load_model(saved)


def test_missing_and_surplus_tensors_are_named(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    weights["fc4.bias"] = weights.pop("fc2.bias")
    save_file(weights, saved / "model.safetensors")
    edit(saved, lambda _: None)
    with pytest.raises(WeightsError, match=r"fc2\.bias has shape none, expected \(16,\) \(2 of 6"):
        load_model(saved)


def test_a_file_that_is_not_safetensors_is_a_sentence(saved: Path) -> None:
    (saved / "model.safetensors").write_bytes(b"not tensors at all")
    edit(saved, lambda _: None)
    with pytest.raises(WeightsError, match=r"is not one that this version reads"):
        load_model(saved)


def test_as_many_classes_as_outputs(saved: Path) -> None:
    edit(saved, lambda description: description.update(classes=description["classes"][:1]))
    with pytest.raises(WeightsError, match=r"has 6 outputs but names 1 classes"):
        load_model(saved)


def wider_head(model: Model) -> Model:
    model.net.fc3 = torch.nn.Linear(16, 10)
    return model


def renamed(model: Model) -> Model:
    torch.nn.utils.parametrizations.weight_norm(model.net.fc2)
    return model


def leaky(model: Model) -> Model:
    model.net.relu1 = torch.nn.LeakyReLU()
    return model


def lesioned(model: Model) -> Model:
    model.net.relu1.forward = torch.zeros_like
    return model


def other_outputs(model: Model) -> Model:
    model.net.reset_classifier(4)
    return model


BROKEN: dict[str, tuple[Callable[[Model], Model], str]] = {
    "classes": (lambda model: replace(model, categories=model.categories * 2), "has 6 outputs but names 12 classes; "),
    "outputs": (other_outputs, "has 4 outputs but names 6 classes; give a name for each output."),
    "head": (
        wider_head,
        "fc3.bias has shape (10,), expected (6,) (2 of 6 tensors differ); change its spec as well, as",
    ),
    "parameters": (renamed, "fc2 of 'tiny' was replaced by ParametrizedFullConnection; files and copies"),
    "layer": (leaky, "relu1 of 'tiny' was replaced by LeakyReLU; files and copies are made from the spec"),
    "forward": (lesioned, "relu1 of 'tiny' was given another forward; files and copies are made from the spec"),
    "names": (
        lambda model: replace(model, categories=tuple(Category(str(i), i) for i in range(6))),  # type: ignore[arg-type]
        "The classes of the model cannot be written: classes[0].name is 0, expected a text.",
    ),
    "provenance": (
        lambda model: replace(model, provenance={"a": Path("x")}),
        "PosixPath is not JSON serializable; make",
    ),
    "no number": (
        lambda model: replace(model, provenance={"a": [float("nan")]}),
        "of texts, finite numbers, lists and",
    ),
}


def test_hooks_are_not_saved_and_hinder_no_saving(model: Model, tmp_path: Path) -> None:
    with_hook = replace(model, net=copy.deepcopy(model.net))
    with_hook.net.relu1.register_forward_hook(lambda module, given, output: output * 0)
    save_model(with_hook, tmp_path / "model")
    x = torch.ones(1, 3, 32, 32)
    torch.testing.assert_close(load_model(tmp_path / "model").net(x), copy.deepcopy(model.net).eval()(x))


@pytest.mark.parametrize("fault", BROKEN)
def test_a_model_that_would_not_come_back_is_refused_before_it_takes_a_good_ones_place(
    model: Model, saved: Path, fault: str
) -> None:
    change, said = BROKEN[fault]
    before = (saved / "model.json").read_bytes()
    with pytest.raises((ConfigError, WeightsError), match=re.escape(said)):
        save_model(change(model), saved)
    assert (saved / "model.json").read_bytes() == before and load_model(saved)
    assert [file.name for file in saved.parent.iterdir()] == ["model"]


def test_a_model_directory_can_be_moved(saved: Path, tmp_path: Path) -> None:
    shutil.move(saved, tmp_path / "elsewhere")
    load_model(tmp_path / "elsewhere")


def test_a_model_that_a_kill_left_aside_comes_back(saved: Path, model: Model) -> None:
    saved.rename(saved.parent / ".model.old")  # what a kill leaves where folders cannot be exchanged
    assert torch.equal(load_model(saved).net.get_parameter("fc2.weight"), model.net.get_parameter("fc2.weight"))
    assert list(saved.parent.iterdir()) == [saved]
    saved.rename(saved.parent / ".model.old")
    save_model(model, saved)
    assert list(saved.parent.iterdir()) == [saved]


def test_networks_of_any_spec_are_saved(colours: Store, tmp_path: Path) -> None:
    spec = replace(tiny_spec().with_norm(convention="printed", towers=2), name="other", source="a book, page 7")
    save_model(replace(tiny_model(colours), net=AlexNet(spec)), tmp_path / "m")
    back = load_model(tmp_path / "m").net.spec
    assert back == spec
    assert back.source == "a book, page 7"


def test_weights_that_cannot_be_opened_are_a_sentence(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: Path) -> None:
        raise RuntimeError(f"unable to open file <{file}> in read-only mode: Too many open files (24)")

    monkeypatch.setattr(model_dir, "load_file", fail)
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read \(unable to open .*; mend that and try"):
        load_model(saved)


def test_a_description_that_a_disk_cannot_read_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "model.json").symlink_to("/proc/self/mem")  # at its begin there is nothing to read
    with pytest.raises(WeightsError, match=r"model\.json cannot be read \(Input/output error\); mend that"):
        load_model(tmp_path)
