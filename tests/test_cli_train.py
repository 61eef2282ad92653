import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commanding import alexnet, photographs, refusal
from making import tiny_model, tiny_recipe, tiny_spec

import alexnet.data.prepare as preparing
from alexnet.cli.progress import Meter
from alexnet.data.store import Store
from alexnet.model.variants import VARIANTS
from alexnet.training.events import Event, StepEnd
from alexnet.training.recipe import LayerRate, Recipe
from alexnet.training.recipes import RECIPES, recipe
from alexnet.training.train import Runtime, train
from alexnet.weights.model_dir import load_model, save_model


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A network and a recipe small enough to train in a test; a cache and a place for runs of its own."""
    monkeypatch.setitem(VARIANTS, "tiny", tiny_spec())
    monkeypatch.setitem(RECIPES, "tiny", (tiny_recipe(), "for tests"))
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ALEXNET_THREADS", raising=False)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


TINY = ("--model", "tiny", "--recipe", "tiny", "--dtype", "fp32")


def test_of_few_classes_no_top_5_error_is_told(three_colours: Store) -> None:
    result = alexnet("train", three_colours.path, *TINY, "--epochs", "1", "--set", "holdout=0.25")
    assert result.exit_code == 0, result.stderr
    assert "val top-1" in result.stderr
    assert "top-1, on the validation photographs" in result.stdout
    assert "top-5" not in result.stderr + result.stdout


def test_it_trains_what_the_library_would_and_says_what_to_do_next(colours: Store, tmp_path: Path) -> None:
    result = alexnet("train", colours.path, *TINY)
    assert result.exit_code == 0, result.stderr
    run = Path("runs/tiny-tiny")
    by_hand = train(colours, tiny_spec(), tiny_recipe(), tmp_path / "hand", runtime=Runtime(dtype="fp32"))
    assert (run / "metrics.csv").read_text().count("\n") == 4
    made, expected = load_model(run / "model"), load_model(by_hand.model)
    for name, tensor in expected.net.state_dict().items():
        assert torch.equal(made.net.state_dict()[name], tensor), name
    lines = result.stdout.splitlines()
    assert lines[0] == f"Run      {run}"
    assert lines[1].startswith(f"Model    {run / 'model'}, weights of epoch ")
    assert lines[2].endswith("top-5, on the validation photographs")
    assert f"alexnet evaluate {run / 'model'} {colours.path} --split test\n" in result.stderr
    assert "epoch 3/3  loss " in result.stderr
    assert "Data     42 photographs, validated on 12 others" in result.stderr


def test_a_taken_place_gets_a_number(colours: Store, tmp_path: Path) -> None:
    for name in ("run", "run-2"):
        assert alexnet("train", colours.path, *TINY, "--out", "run", "--epochs", "1", "-q").stdout.startswith(
            f"Run      {name}\n"
        )


def test_photographs_are_prepared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = photographs(tmp_path / "trees")
    words = ("train", folder, *TINY, "--epochs", "1")
    first = alexnet(*words)
    assert first.exit_code == 0, first.stderr
    cache = tmp_path / "home" / "stores"
    assert f"Preparing {folder}, once, in {cache}: 18 photographs" in first.stderr
    (store,) = cache.iterdir()
    assert f"Store    {store}" in first.stderr
    monkeypatch.setattr(preparing, "_read", lambda *_: pytest.fail("prepared again"))
    second = alexnet(*words)
    assert second.exit_code == 0, second.stderr
    assert "Preparing" not in second.stderr


def test_settings_come_from_recipe_then_set_then_short_options() -> None:
    words = ("train", "--print-recipe", "--recipe", "small", "--set", "momentum=0.8", "--set", "lr_steps=1,2")
    words += ("--freeze", "conv1")
    printed = json.loads(alexnet(*words, "--epochs", "3", "-b", "7", "--lr", "0.5", "--seed", "4").stdout)
    small = replace(recipe("small"), momentum=0.8, lr_steps=(1, 2), epochs=3, batch_size=7, lr=0.5, seed=4)
    assert Recipe.from_json(printed) == replace(small, layer_rates=(LayerRate("conv1", 0, 0.0),))


def test_the_network_is_the_recipes_unless_another_is_named(colours: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "other", replace(tiny_spec(), name="other"))
    monkeypatch.setitem(RECIPES, "tiny", (tiny_recipe(model="other", epochs=1), "for tests"))
    for words, name in (((), "other"), (("-m", "tiny"), "tiny"), (("--set", "model=tiny"), "tiny")):
        result = alexnet("train", colours.path, "--recipe", "tiny", *words, "-o", f"run-{name}", "-q")
        run = Path(result.stdout.splitlines()[0].split()[1])
        assert load_model(run / "model").net.spec.name == name
        assert json.loads((run / "recipe.json").read_text())["model"] == name


def test_a_setting_changes_the_network_and_its_name(colours: Store) -> None:
    result = alexnet("train", colours.path, *TINY, "--set", "batch_norm=true", "--set", "norm=false", "--epochs", "1")
    assert result.exit_code == 0, result.stderr
    made = load_model(Path("runs/tiny+no-norm+batch-norm-tiny/model")).net.spec
    assert [layer.name for layer in made.layers][:3] == ["conv1", "bn1", "relu1"]
    # the recipe that was saved makes the same network again
    again = alexnet("train", colours.path, "--recipe", "runs/tiny+no-norm+batch-norm-tiny/recipe.json", "-q", "-o", "b")
    assert load_model(Path("b/model")).net.spec == made
    assert again.exit_code == 0


def test_a_printed_recipe_can_be_fed_back(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(alexnet("train", "--print-recipe", "--recipe", "original2012").stdout)
    assert Recipe.from_json(json.loads(alexnet("train", "--print-recipe", "--recipe", file).stdout)) == recipe(
        "original2012"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe", "smal"], "Unknown recipe 'smal'; did you mean 'small'?"),
        (["--recipe", "none.json"], "There is no recipe file none.json; a name without .json is one of: paper, "),
        (["--model", "papr"], "Unknown model 'papr'; did you mean 'paper'?"),
        (["--model", "paper", "--set", "model=tiny"], "The setting model is given twice, as 'tiny' and as 'paper'"),
        (["--set", "activation=rleu"], "Unknown activation 'rleu'; did you mean 'relu'"),
        (["--set", "momentun=0.9"], "Unknown setting 'momentun'; did you mean 'momentum'?"),
        (["--set", "momentum"], "A setting is written key=value, not 'momentum'."),
        (["--epochs", "many"], "The setting epochs takes a whole number, not 'many'."),
        (["--lr", "-1"], "must be above 0"),
        (["--lr", "1", "--set", "lr=2"], "The setting lr is given twice, as '2' and as '1'"),
        (["--device", "gpu"], "Unknown device 'gpu'"),
        (["--dtype", "fp23"], "Unknown dtype 'fp23'; did you mean 'fp32'?"),
        (["--data", "elsewhere"], "--data goes with --resume"),
        (["--input-size", "5", "--model", "tiny"], "too small for 'tiny'"),
        (["--classes", "7"], "The network has 7 outputs, but"),
        (["--freeze", "conv11", *TINY], "did you mean 'conv1'"),
        (["--from", "x"], "is a store already, so --from x has no meaning"),
        (["--side", "72"], "is a store already, of photographs of 256 × 256 pixels, not 72 × 72; leave --side out"),
        (["--side", "0"], "must be a whole number of pixels from 32 to 512, not 0."),
        (["--input-size", "300"], "must be from 1 to 256, the side of the prepared photographs in pixels; lower"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(words: list[str], said: str, colours: Store) -> None:
    code, sentence = refusal("train", colours.path, *words)
    assert code == 2
    assert said in sentence
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--input-size", "600"],
            "Crops of 600 × 600 pixels do not fit into photographs of 256 pixels; lower --input-",
        ),
        (["--input-size", "90", "--side", "80"], "into photographs of 80 pixels; raise --side or lower --input-size."),
        (["--side", "300", "--init-from", "start"], "a mean image of 256 × 256 pixels, and photographs of 300 × 300"),
        (["--input-size", "300", "--init-from", "start"], "keep --input-size to 256 at most."),
    ],
)
def test_crops_that_do_not_fit_are_told_before_photographs_are_prepared(
    words: list[str], said: str, colours: Store, tmp_path: Path
) -> None:
    save_model(tiny_model(colours), Path("start"))
    code, sentence = refusal("train", photographs(tmp_path / "trees"), *TINY, *words)
    assert code == 2 and said in sentence
    assert not (tmp_path / "home" / "stores").exists()


def test_photographs_are_prepared_large_enough_for_the_crops(tmp_path: Path) -> None:
    found = alexnet("train", photographs(tmp_path / "trees"), *TINY, "--epochs", "1", "--input-size", "300")
    assert found.exit_code == 0, found.stderr
    assert "Photographs are prepared to 343 × 343 pixels, for crops of 300; --side takes others." in found.stderr
    assert load_model(Path("runs/tiny-tiny/model")).preparation.side == 343


def test_larger_photographs_are_limited_where_they_are_read(colours: Store, tmp_path: Path) -> None:
    folder = photographs(tmp_path / "trees")
    found = alexnet("train", folder, *TINY, "--max-pixels", "9")
    assert "were refused, the first because it claims" in found.stderr and "more than 9;" in found.stderr
    said = "--max-pixels is for photographs, not for the store"
    assert said in refusal("train", colours.path, *TINY, "--max-pixels", "9")[1]


def test_data_has_to_be_given() -> None:
    code, sentence = refusal("train")
    assert code == 2
    assert "Missing argument 'DATA'" in sentence


def test_data_that_is_nothing_known_names_the_sources() -> None:
    code, sentence = refusal("train", "flowers")
    assert code == 2
    assert "Unknown source 'flowers'; did you mean 'flowers17'" in sentence


def test_fine_tuning_starts_from_a_model_and_takes_its_network(colours: Store) -> None:
    model = tiny_model(colours, seed=5)
    save_model(model, Path("start"))
    words = (
        "train",
        colours.path,
        "--recipe",
        "tiny",
        "--init-from",
        "start",
        "--freeze",
        "conv1,fc2",
        "--epochs",
        "1",
    )
    result = alexnet(*words, "--dtype", "fp32")
    assert result.exit_code == 0, result.stderr
    made = load_model(Path("runs/tiny-tiny/model")).net
    assert torch.equal(made.conv1.weight, model.net.conv1.weight)
    assert not torch.equal(made.fc3.weight, model.net.fc3.weight)
    code, sentence = refusal(*words, "--model", "paper")
    assert code == 2
    assert "The network 'paper' was asked for, but the model to start from is 'tiny'" in sentence


def test_with_trained_weights_the_recipe_is_finetune_and_it_is_said(
    colours: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "finetune", (replace(tiny_recipe(), name="finetune"), "for tests"))
    save_model(tiny_model(colours), Path("start"))
    result = alexnet("train", colours.path, "--init-from", "start", "--dtype", "fp32")
    assert "Run      runs/tiny-finetune" in result.stdout
    assert "Recipe   finetune, for there are trained weights to start from; --recipe takes another." in result.stderr
    assert json.loads(alexnet("train", "--print-recipe", "--init-from", "start").stdout)["name"] == "finetune"
    asked = alexnet("train", colours.path, "--init-from", "start", "--recipe", "tiny", "--dtype", "fp32")
    assert "Recipe   finetune" not in asked.stderr


def test_few_photographs_get_a_hint_unless_a_recipe_is_asked_for(
    colours: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "paper", (replace(tiny_recipe(), name="paper"), "for tests"))
    words = ("train", colours.path, "--model", "tiny", "--dtype", "fp32")
    hint = "Hint     42 photographs are few for the paper's recipe; try --recipe small, or start from trained weights"
    assert hint in alexnet(*words).stderr
    assert "Hint" not in alexnet(*words, "--recipe", "paper").stderr


@pytest.mark.parametrize(
    ("epochs", "warmup", "sentence"),
    [
        (3, "6", "rises to 0.0005 over 6 epochs, and the run ends before, so it never gets beyond 0.00025"),
        (6, "6", "reaches 0.0005 only at the end of the run"),
        (3, "1", "rises to 0.0005 over 1 epoch, and the run has 3 epochs"),
        (3, "1.5", "rises to 0.0005 over 1.5 epochs, and the run has 3 epochs"),
    ],
)
def test_a_warm_up_that_is_long_for_the_epochs_is_told(colours: Store, epochs: int, warmup: str, sentence: str) -> None:
    result = alexnet("train", colours.path, *TINY, "--set", f"warmup={warmup}", "--epochs", epochs)
    assert f"Hint     the rate {sentence}; --set warmup={epochs / 10:g} lets it rise sooner." in result.stderr


def test_resume_refuses_what_cannot_change_and_what_is_no_run(colours: Store) -> None:
    code, sentence = refusal("train", "--resume", "nowhere")
    assert code == 2
    assert "nowhere is not a run directory" in sentence
    code, sentence = refusal("train", "--resume", "nowhere", "--lr", "0.1", "--recipe", "small")
    assert code == 2
    assert sentence.startswith("alexnet: error: --recipe, --lr cannot change in a run that has begun")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_can_be_resumed(
    number: signal.Signals, colours: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Meter.training

    def at_the_third_step(self: Meter, event: Event) -> None:
        told(self, event)
        if isinstance(event, StepEnd) and (event.epoch, event.step) == (1, 3):
            signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(Meter, "training", at_the_third_step)
        result = alexnet("train", colours.path, *TINY, "--threads", "1")
    assert result.exit_code == 128 + number
    assert result.stderr.splitlines()[-1] == (
        "alexnet: Stopped after epoch 0, step 3; go on with: alexnet train --resume runs/tiny-tiny"
    )
    resumed = alexnet("train", "--resume", "runs/tiny-tiny", "-j", "2")
    assert resumed.exit_code == 0, resumed.stderr
    assert "Plan     3 epochs of 6 steps from epoch 1, step 4" in resumed.stderr
    assert "cpu, fp32, 1 thread\n" in resumed.stderr
    whole = alexnet("train", colours.path, *TINY, "--threads", "1")
    assert resumed.stdout.splitlines()[1:] == [
        line.replace("tiny-tiny-2", "tiny-tiny") for line in whole.stdout.splitlines()[1:]
    ]


def test_resume_finds_a_moved_store(colours: Store, tmp_path: Path) -> None:
    alexnet("train", colours.path, *TINY, "-o", "run", "--epochs", "1")
    told = json.loads(Path("run/run.json").read_text())
    Path("run/run.json").write_text(json.dumps({**told, "data": "/moved/away"}))
    code, sentence = refusal("train", "--resume", "run", "-q")
    assert code == 3
    assert "There is no store at /moved/away, where run was trained on it; if it has moved, " in sentence
    for words in ((colours.path,), ("--data", colours.path)):
        Path("run/run.json").write_text(json.dumps({**told, "data": "/moved/away"}))
        assert alexnet("train", "--resume", "run", *words).exit_code == 0
    assert alexnet("train", "--resume", "run").exit_code == 0
    code, sentence = refusal("train", colours.path, "--resume", "run", "--data", "elsewhere")
    assert code == 2
    assert sentence.endswith("With --resume the store is given once, as DATA or with --data; leave one out.")


def test_a_finished_run_is_not_said_to_begin_again(colours: Store) -> None:
    alexnet("train", colours.path, *TINY, "-o", "run", "--epochs", "1")
    result = alexnet("train", "--resume", "run")
    assert "Plan     1 epoch of 6 steps, all done; --epochs N goes on\n" in result.stderr
    result = alexnet("train", "--resume", "run", "--epochs", "2")
    assert "Plan     2 epochs of 6 steps from epoch 2, step 1\n" in result.stderr


def test_overfit_is_a_self_test(colours: Store) -> None:
    result = alexnet("train", colours.path, *TINY, "--overfit", "6", "-q")
    assert result.exit_code == 0, result.stderr
    assert "Error" not in result.stdout  # nothing was validated


def test_help_lists_the_recipes() -> None:
    shown = alexnet("train", "--help").stdout
    for name in ("paper", "original2012", "flowers17", "small", "demo"):
        assert f"    {name} " in shown
        assert RECIPES[name][1] in shown


def test_recipes_shows_all_and_one() -> None:
    assert [line.split()[0] for line in alexnet("recipes").stdout.splitlines()[1:6]] == list(RECIPES)[:5]
    shown = alexnet("recipes", "small").stdout
    rates = [f"{recipe(name).lr:g}" for name in ("small", "paper")]
    assert rates[0] != rates[1]
    assert ["lr", *rates, "learning", "rate", "at", "the", "start"] in map(str.split, shown.splitlines())
    assert Recipe.from_json(json.loads(alexnet("recipes", "small", "--json").stdout)["small"]) == recipe("small")
    assert refusal("recipes", "demi")[1].startswith("alexnet: error: Unknown recipe 'demi'; did you mean 'demo'")
