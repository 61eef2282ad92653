import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from making import CLASSES, Colours, tiny_model, tiny_recipe, tiny_spec
from running import RECIPE, RUNTIME, begin, difference, events, metrics, weights

from alexnet.data.preparation import Preparation
from alexnet.data.prepare import prepare
from alexnet.data.statistics import InputStatistics
from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError, WeightsError
from alexnet.evaluation.evaluate import evaluate
from alexnet.model.device import place
from alexnet.model.net import AlexNet
from alexnet.model.spec import Linear
from alexnet.model.variants import variant
from alexnet.training.events import EpochEnd, Event, Started
from alexnet.training.recipe import read_recipe
from alexnet.training.run import Run
from alexnet.training.train import Runtime, resume, train
from alexnet.training.watch import Diverged
from alexnet.weights.checkpoint import load_checkpoint
from alexnet.weights.folding import folded
from alexnet.weights.loading import load
from alexnet.weights.model_dir import load_model, save_model
from alexnet.weights.pytorch.torchvision import NAMES
from alexnet.weights.sizes import at_size

Train = Callable[..., Run]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def go(colours: Store, tmp_path: Path) -> Train:
    return partial(begin, store=colours, out=tmp_path / "run")


@pytest.fixture(scope="module")
def whole(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing disturbed."""
    return begin(store=colours, out=tmp_path_factory.mktemp("whole") / "run")


# --- determinism


def test_the_same_seed_gives_the_same_run_bit_for_bit(whole: Run, go: Train) -> None:
    assert difference(whole, go()) == set()


def test_another_seed_gives_another_run(whole: Run, go: Train) -> None:
    assert difference(whole, go(replace(RECIPE, seed=1))) == {"metrics", "windows", "weights", "velocity", "model"}


@pytest.mark.parametrize("workers", [0, 3])
def test_results_do_not_depend_on_the_number_of_workers(whole: Run, go: Train, workers: int) -> None:
    assert difference(whole, go(runtime=replace(RUNTIME, workers=workers))) == set()


# --- what a run leaves


def test_a_run_directory_holds_all_there_is_to_know(whole: Run, colours: Store) -> None:
    assert read_recipe((whole.path / "recipe.json").read_text()) == RECIPE
    told = whole.read("run.json")
    assert (told["data"], told["fingerprint"]) == (str(colours.path), colours.fingerprint)
    assert (told["device"], told["dtype"], told["threads"]) == ("cpu", "fp32", 1)
    assert whole.read("environment.json")["torch"] == torch.__version__
    lines = events(whole)
    kinds = [line["event"] for line in lines if line["event"] != "Warned"]
    assert kinds == ["Started", "EpochEnd", "EpochEnd", "EpochEnd", "Saved", "Finished"]
    started = next(line for line in lines if line["event"] == "Started")
    assert (started["train_images"], started["val_images"], started["steps_per_epoch"]) == (42, 12, 6)
    assert started["parameters"] == sum(tensor.numel() for tensor in weights(whole).values())
    assert [row["epoch"] for row in metrics(whole)] == ["1", "2", "3"]
    assert not list(whole.path.rglob("*.tmp"))


def test_the_summary_says_how_long_it_took_and_what_it_needed(whole: Run) -> None:
    with open(whole.path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    summary = whole.read("summary.json")
    assert events(whole)[-1] == {"event": "Finished", **summary}
    assert summary["seconds"] == pytest.approx(sum(float(row["seconds"]) for row in rows))
    assert summary["rate"] == sorted(float(row["rate"]) for row in rows)[1]
    best = summary["weights_of"]
    assert rows[best - 1]["val_top1_error"] == str(summary["val_top1_error"])
    assert (summary["epochs"], summary["model"]) == (3, str(whole.model))


def test_a_run_never_goes_into_the_directory_of_another(whole: Run, colours: Store) -> None:
    before = {file: file.read_bytes() for file in whole.path.rglob("*") if file.is_file()}
    run = train(colours, tiny_spec(), replace(RECIPE, epochs=1), whole.path, runtime=RUNTIME)
    assert run.path == whole.path.with_name("run-2")
    assert {file: file.read_bytes() for file in whole.path.rglob("*") if file.is_file()} == before


def test_the_model_is_the_best_epochs(go: Train, colours: Store) -> None:
    kept: list[bool] = []
    recipe = replace(RECIPE, epochs=6, schedule="constant", dropout=0.5, lr=0.003, warmup=0.0)
    run = go(recipe, listener=lambda event: kept.append(event.best) if isinstance(event, EpochEnd) else None)
    errors = [float(row["val_top1_error"]) for row in metrics(run)]
    best = errors.index(min(errors))
    assert best < 5  # else this test shows nothing
    assert max(epoch for epoch, new in enumerate(kept) if new) == best
    model = load_model(run.model)
    assert model.provenance["weights_of"] == f"epoch {best + 1} of 6, the one with the lowest validation error"
    assert model.provenance["errors"]["val_top1_error"] == errors[best]
    tally = evaluate([model], colours, placement=place("cpu", "fp32"))
    assert tally.top1_error == errors[best]
    assert tally.loss == pytest.approx(float(metrics(run)[best]["val_loss"]), rel=1e-6)  # float sums
    last = load_checkpoint(run.last)["weights"]
    assert any(not torch.equal(last[name], tensor) for name, tensor in model.net.state_dict().items())


def test_without_validation_the_model_is_the_last_epochs(go: Train, three_colours: Store) -> None:
    run = go(replace(RECIPE, holdout=0.0), store=three_colours, spec=tiny_spec(3))
    assert [row["val_top1_error"] for row in metrics(run)] == ["", "", ""]
    last = load_checkpoint(run.last)["weights"]
    assert all(torch.equal(last[name], tensor) for name, tensor in weights(run).items())
    assert not run.best.exists()
    provenance = load_model(run.model).provenance
    assert provenance["weights_of"] == "epoch 3 of 3, the last"
    assert set(provenance["errors"]) == {"train_error"}


# --- fine-tuning


def test_fine_tuning_on_other_classes_starts_the_last_layer_anew(go: Train, whole: Run, three_colours: Store) -> None:
    start = load_model(whole.model)
    recipe = replace(RECIPE, epochs=1, lr=1e-30, momentum=0.0, weight_decay=0.0, seed=5, holdout=0.0)
    run = go(recipe, store=three_colours, spec=tiny_spec(3), init_from=start)
    found, fresh = weights(run), AlexNet(tiny_spec(3), generator=torch.Generator().manual_seed(5)).state_dict()
    for name, tensor in found.items():
        expected = fresh[name] if name.startswith("fc3") else start.net.state_dict()[name]
        # at such a rate nothing moves but zeros
        assert torch.equal(tensor, expected) or float(tensor.abs().max()) < 1e-28, name
    model = load_model(run.model)
    assert [category.key for category in model.categories] == list(CLASSES[:3])
    # the mean that the first layer has learned to expect
    assert (model.statistics.mean_image == start.statistics.mean_image).all()
    assert (three_colours.statistics.mean_image != start.statistics.mean_image).any()


def test_fine_tuning_on_the_same_classes_keeps_all_layers(go: Train, whole: Run) -> None:
    start = load_model(whole.model)
    run = go(replace(RECIPE, epochs=1, lr=1e-30, momentum=0.0, weight_decay=0.0, seed=5), init_from=start)
    assert all(torch.equal(tensor, start.net.state_dict()[name]) for name, tensor in weights(run).items())


def test_frozen_layers_are_left_bit_for_bit(go: Train, whole: Run) -> None:
    start = load_model(whole.model)
    run = go(init_from=start, freeze=("conv1", "fc2"))
    moved = {name for name, tensor in weights(run).items() if not torch.equal(tensor, start.net.state_dict()[name])}
    assert moved == {"fc3.weight", "fc3.bias"}
    assert [rate["layer"] for rate in run.read("recipe.json")["layer_rates"]] == ["conv1", "fc2"]


def test_the_model_takes_photographs_resized_as_the_store_s_were(
    go: Train, three_colours: Store, tmp_path: Path
) -> None:
    squash = Preparation(resize="squash", interpolation="bilinear")
    store = prepare(Colours({"train": 24}, classes=CLASSES[:3]), tmp_path / "store", preparation=squash, workers=1)
    for data, expected in ((store, squash), (three_colours, Preparation())):
        run = go(replace(RECIPE, epochs=1, holdout=0.0), store=data, spec=tiny_spec(3))
        assert load_model(run.model).preparation == expected


def test_a_mean_without_components_takes_those_of_the_store(go: Train, colours: Store) -> None:
    start = replace(tiny_model(colours), statistics=InputStatistics.of_mean([123, 117, 104]))
    found = load_model(go(replace(RECIPE, epochs=1), init_from=start).model).statistics
    assert found.mean_image[3, 5].tolist() == [123, 117, 104]
    assert (found.deviations == colours.statistics.deviations).all()


def test_the_last_layer_alone_learns_at_its_own_multiple(go: Train, whole: Run) -> None:
    """One step at ten times the rate moves ten times as far; the others move as without."""
    start = load_model(whole.model)
    settings = replace(RECIPE, epochs=1, batch_size=64, momentum=0.0, weight_decay=0.0, schedule="constant", warmup=0.0)
    before = start.net.state_dict()
    moved = [
        {name: tensor - before[name] for name, tensor in weights(go(each, init_from=start)).items()}
        for each in (settings, replace(settings, last_rate=10.0))
    ]
    for name, change in moved[0].items():
        assert change.abs().max() > 0, name
        multiple = 10 if name.startswith("fc3") else 1
        torch.testing.assert_close(moved[1][name], multiple * change, rtol=1e-3, atol=1e-6)


def test_a_start_that_takes_other_numbers_is_folded(go: Train, colours: Store) -> None:
    preparation = Preparation(channels="BGR", std=(58.395, 57.12, 57.375))
    start = replace(tiny_model(colours), preparation=preparation, statistics=InputStatistics.of_mean([123, 117, 104]))
    before = evaluate([start], colours, placement=place("cpu", "fp32"))
    run = go(replace(RECIPE, epochs=1, lr=1e-30, momentum=0.0, weight_decay=0.0), init_from=start)
    model = load_model(run.model)
    assert model.preparation == Preparation()
    after = evaluate([model], colours, placement=place("cpu", "fp32"))
    assert after.loss == pytest.approx(before.loss, rel=1e-4)  # fp32 logits of some hundreds
    assert torch.equal(after.confusion, before.confusion)
    assert "folded into conv1" in run.read("run.json")["init_from"]["conversions"][-1]


def test_a_file_of_torchvisions_shape_and_a_model_directory_give_the_same_training(go: Train, tmp_path: Path) -> None:
    """At another size than torchvision's, from RGB that it divides and from RGB as it is."""
    widths = {"conv1": 6, "conv2": 5, "conv3": 4, "conv4": 4, "conv5": 3, "fc6": 12, "fc7": 8}
    spec = variant("owt", classes=1000)
    spec = spec.mapped(
        lambda layer: (
            replace(layer, **{"units" if isinstance(layer, Linear) else "channels": widths[layer.name]})
            if layer.name in widths
            else layer
        )
    )
    state = AlexNet(spec, generator=torch.Generator().manual_seed(0)).state_dict()
    torch.save({NAMES[name]: tensor for name, tensor in state.items()}, tmp_path / "net.pth")
    small, preparation = Preparation(side=72), Preparation(resize="torchvision", interpolation="bilinear", side=72)
    store = prepare(Colours({"train": 24}), tmp_path / "store", preparation=small, workers=1)
    start = at_size(folded(load(tmp_path / "net.pth")), replace(spec, input_size=64), 72)
    assert start.preparation == preparation
    save_model(start, tmp_path / "model")
    wanted = replace(spec, input_size=64, classes=len(CLASSES))
    runs = [
        go(replace(RECIPE, holdout=0.0), store=store, spec=wanted, init_from=tmp_path / name, out=tmp_path / "runs")
        for name in ("net.pth", "model")
    ]
    assert difference(*runs) == set()
    assert load_model(runs[0].model).net.spec.input_size == 64


def test_a_model_of_another_network_is_refused(go: Train, colours: Store) -> None:
    layers = tiny_spec().layers
    wider = replace(tiny_spec(), layers=(*layers[:4], replace(layers[4], units=20), *layers[5:]))
    deeper = replace(tiny_spec(), layers=(*layers[:5], replace(layers[4], name="fc2b", units=16), *layers[5:]))
    for spec, sentence in (
        (wider, r"another: units of fc2 is 16, not 20; leave the network out"),
        (deeper, r"another: it has relu2 \(activation\) where fc2b \(fc\) should be; leave the network out"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            go(spec=spec, init_from=tiny_model(colours))
    larger = replace(tiny_spec(), input_size=40)
    with pytest.raises(WeightsError, match=r"its fc2\.weight has shape \(16, 288\), expected \(16, 512\)"):
        go(spec=larger, init_from=tiny_model(colours))


# --- self-tests and errors


def test_a_few_photographs_are_learned_by_heart(go: Train) -> None:
    told: list[Event] = []
    run = go(tiny_recipe(epochs=2), overfit=8, listener=told.append)
    assert metrics(run)[-1]["train_error"] == "0.0"
    assert len(metrics(run)) < 200  # it stops when it has learned them
    (started,) = [event for event in told if isinstance(event, Started)]
    assert (started.train_images, started.val_images) == (8, 0)
    assert load_model(run.model).provenance["errors"] == {"train_error": 0.0}


def test_photographs_that_are_not_learned_by_heart_are_an_error(go: Train, tmp_path: Path) -> None:
    with pytest.raises(AlexNetError, match=r"did not learn 6 photographs by heart in 200 epochs: \d+\.\d% are still"):
        go(tiny_recipe(lr=1e-9), overfit=6)
    assert not Run(tmp_path / "run").model.exists()


def test_a_run_that_diverges_leaves_no_model(go: Train, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"at epoch 1, step \d.*; no checkpoint has been written yet\. Train again with"):
        go(tiny_recipe(lr=1e20))
    assert not Run(tmp_path / "run").model.exists()
    assert events(Run(tmp_path / "run"))  # the log was written and closed


def test_a_full_disk_is_found_before_anything_is_done(
    go: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    told: list[Event] = []
    with pytest.raises(
        AlexNetError, match=r"run has 1\.0 kB free, but checkpoints and model need 10\.\d MB, 10\.\d MB more;"
    ):
        go(listener=told.append)
    assert not told
    assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_be_written_is_found_before_anything_is_done(go: Train, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told: list[Event] = []
    with pytest.raises(AlexNetError, match=r"Cannot write to .*file/run: Not a directory; give another --out"):
        go(out=tmp_path / "file" / "run", listener=told.append)
    assert not told


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"spec": tiny_spec(7)}, "has 7 outputs"),
        ({"freeze": ("conv9",)}, "Unknown layer"),
        ({"runtime": Runtime(device="tpu")}, "(?i)device"),
    ],
)
def test_what_does_not_fit_leaves_nothing_behind(
    go: Train, tmp_path: Path, options: dict[str, Any], error: str
) -> None:
    with pytest.raises(ConfigError, match=error):
        go(**options)
    assert not (tmp_path / "run").exists()


def test_threads_and_numbers_are_as_asked(go: Train) -> None:
    run = go(replace(RECIPE, epochs=1), runtime=replace(RUNTIME, threads=2, dtype="bf16"))
    told = run.read("run.json")
    assert (told["threads"], told["dtype"]) == (2, "bf16")
    assert torch.get_num_threads() == 1  # as before
    assert {tensor.dtype for tensor in weights(run).values()} == {torch.float32}


def test_the_model_of_a_run_can_be_saved_elsewhere(whole: Run, tmp_path: Path) -> None:
    save_model(load_model(whole.model), tmp_path / "copy")
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == (whole.model / "model.safetensors").read_bytes()


def test_training_leaves_torch_and_the_network_to_start_from_as_they_were(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    before = {name: tensor.clone() for name, tensor in model.net.state_dict().items()}
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    runtime = Runtime(device="cpu", dtype="fp32", threads=threads + 1)
    run = train(str(colours.path), model, tiny_recipe(epochs=1), str(tmp_path / "run"), runtime=runtime)
    assert json.loads((run.path / "run.json").read_text())["threads"] == threads + 1
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.net.state_dict().items())
    assert not model.net.training
    resume(str(run.path), data=str(colours.path))
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
