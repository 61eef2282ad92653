import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from commanding import alexnet, photographs, refusal
from making import CLASSES, Colours, tiny_model, tiny_store

from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.evaluation.evaluate import evaluate
from alexnet.model.device import place
from alexnet.weights.model_dir import load_model, save_model


@pytest.fixture(scope="module")
def models(colours: Store, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of the colours, one of them inside a run directory."""
    folder = tmp_path_factory.mktemp("models")
    paths = [folder / "one", folder / "run" / "model"]
    for seed, path in enumerate(paths):
        save_model(tiny_model(colours, seed=seed), path)
    return paths


@pytest.mark.parametrize("crops", [1, 10])
@pytest.mark.parametrize("count", [1, 2])
def test_json_is_what_the_library_counts(crops: int, count: int, models: list[Path], colours: Store) -> None:
    words = [*models[:count], colours.path, "--split", "test", "--crops", crops, "--dtype", "fp32", "--json"]
    found = json.loads(alexnet("evaluate", *words).stdout)
    loaded = [load_model(path) for path in models[:count]]
    tally = evaluate(loaded, colours, split="test", crops=crops, placement=place("auto", "fp32"))
    assert found["images"] == 11
    assert found["crops"] == crops
    assert found["split"] == "test"
    assert found["models"] == [str(path) for path in models[:count]]
    assert (found["top1_error"], found["top5_error"], found["loss"]) == (tally.top1_error, tally.top5_error, tally.loss)
    assert found["confusion"] == tally.confusion.tolist()
    names = [name.title() for name in CLASSES]
    assert found["classes"] == names
    assert found["class_errors"] == dict(zip(names, tally.class_errors(), strict=True))


def test_aliases_and_the_usual_split(models: list[Path], colours: Store) -> None:
    outputs = {alexnet(verb, models[0], colours.path, "--json").stdout for verb in ("evaluate", "eval", "val")}
    assert len(outputs) == 1
    assert json.loads(outputs.pop())["split"] == "val"


def test_the_text_shows_errors_and_what_is_hard(models: list[Path], colours: Store) -> None:
    plain = json.loads(alexnet("evaluate", models[0], colours.path, "--json").stdout)
    lines = alexnet("evaluate", models[0], colours.path).stdout.splitlines()
    assert lines[0] == f"{models[0]} on 'val' of {colours.path}"
    assert lines[2].split() == ["images", "crops", "top-1", "error", "top-5", "error", "balanced", "loss"]
    assert lines[3].split()[:3] == ["12", "1", f"{plain['top1_error']:.2%}"[:-1]]
    worst = max(plain["class_errors"].values())
    assert plain["class_errors"][lines[6].split()[0]] == worst
    true, answer, *times = lines[-5].split()
    count = plain["confusion"][plain["classes"].index(true)][plain["classes"].index(answer)]
    assert times == [str(count), "of", "2"]


def test_a_run_directory_stands_for_its_model(models: list[Path], colours: Store) -> None:
    run = models[1].parent
    result = alexnet("evaluate", run, colours.path, "--json")
    assert json.loads(result.stdout)["models"] == [str(models[1])]
    assert f"{run} is a run directory; taking its model, {models[1]}." in result.stderr


def test_the_confusion_matrix_as_csv(models: list[Path], colours: Store, tmp_path: Path) -> None:
    plain = json.loads(alexnet("evaluate", models[0], colours.path, "--json", "--confusion", tmp_path / "c.csv").stdout)
    with open(tmp_path / "c.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["true class", *plain["classes"]]
    assert rows == [[name, *map(str, row)] for name, row in zip(plain["classes"], plain["confusion"], strict=True)]


def test_photographs_are_measured_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    folder = photographs(tmp_path / "trees")
    alexnet("prepare", folder, tmp_path / "store", "-j", "1")
    store = Store.open(tmp_path / "store")
    save_model(tiny_model(store), tmp_path / "model")
    found = [
        json.loads(alexnet("evaluate", tmp_path / "model", data, "--json").stdout) for data in (folder, store.path)
    ]
    assert [each["images"] for each in found] == [18, 3]
    assert [each["split"] for each in found] == ["all", "val"]
    tally = evaluate([load_model(tmp_path / "model")], store, split="all", placement=place("auto", "auto"))
    assert found[0]["confusion"] == tally.confusion.tolist()
    said = alexnet("evaluate", tmp_path / "model", folder).stderr
    assert f"{folder} has no splits of its own, so all of it is measured: 18 photographs." in said.splitlines()
    part = alexnet("evaluate", tmp_path / "model", folder, "--split", "val", "--json")
    assert json.loads(part.stdout)["confusion"] == found[1]["confusion"]


def test_larger_photographs_are_limited_where_they_are_read(models: list[Path], colours: Store, tmp_path: Path) -> None:
    folder = photographs(tmp_path / "trees")
    found = alexnet("evaluate", models[0], folder, "--max-pixels", "9")
    assert "were refused, the first because it claims" in found.stderr and "more than 9;" in found.stderr
    said = "--max-pixels is for photographs, not for the store"
    assert said in refusal("evaluate", models[0], colours.path, "--max-pixels", "9")[1]


def test_photographs_that_the_model_was_trained_on_are_told(colours: Store, tmp_path: Path) -> None:
    seen = {"data": f"colours, fingerprint {colours.fingerprint[:16]}"}
    save_model(replace(tiny_model(colours), provenance=seen), tmp_path / "model")
    said = {
        name: alexnet("evaluate", tmp_path / "model", colours.path, "-q", "--split", name) for name in ("all", "val")
    }
    warning = "the model was trained on 42 of these photographs, so the errors flatter it; --split val, --split test"
    assert said["all"].stderr == f"warning: {warning} has others.\n"
    assert said["val"].stderr == ""


def test_the_only_split_is_taken_and_said(models: list[Path], tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store", Colours(counts={"test": 12}))
    found = alexnet("evaluate", models[0], store.path, "--json")
    assert json.loads(found.stdout)["split"] == "test"
    assert f"{store.path} has the split 'test' alone; taking that." in found.stderr


def test_a_model_of_more_classes_is_measured_among_all_and_among_those_present(
    models: list[Path], tmp_path: Path
) -> None:
    store = tiny_store(tmp_path / "store", Colours(counts={"train": 6, "val": 12}, classes=CLASSES[3:0:-2]))
    found = json.loads(alexnet("evaluate", models[0], store.path, "--json", "--dtype", "fp32").stdout)
    assert found["classes"] == [name.title() for name in CLASSES]
    among = found["among_present"]
    assert among["classes"] == [CLASSES[1].title(), CLASSES[3].title()]
    assert among["top1_error"] <= found["top1_error"]
    assert among["loss"] < found["loss"]
    lines = alexnet("evaluate", models[0], store.path, "--dtype", "fp32").stdout.splitlines()
    assert lines[3].startswith("all 6 classes")
    assert lines[4].startswith("the 2 classes present")
    assert lines[4].split()[6:8] == [f"{among['top1_error']:.2%}"[:-1], "%"]


def test_photographs_are_resized_as_the_model_takes_them_and_a_store_of_others_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    folder = photographs(tmp_path / "trees")
    words = ("--resize", "squash", "--interpolation", "bilinear", "-j", "1")
    for name, options in (("usual", ("-j", "1")), ("squashed", words)):
        alexnet("prepare", folder, tmp_path / name, *options)
    usual, squashed = (Store.open(tmp_path / name) for name in ("usual", "squashed"))
    save_model(replace(tiny_model(squashed), preparation=squashed.preparation), tmp_path / "model")
    words = (tmp_path / "model", "--split", "val", "--json")
    results = [alexnet("evaluate", words[0], data, *words[1:]) for data in (folder, squashed.path, usual.path)]
    losses = [json.loads(result.stdout)["loss"] for result in results]
    assert losses[0] == losses[1] != losses[2]
    assert ["--resize squash --interpolation bilinear" in result.stderr for result in results] == [False, False, True]
    quiet = alexnet("evaluate", tmp_path / "model", usual.path, "-q")
    assert quiet.stderr.startswith(f"warning: {usual.path} holds photographs resized by another rule (shorter side")


def test_a_missing_split_is_never_replaced_in_silence(models: list[Path], tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store", Colours(counts={"train": 12, "test": 6}))
    code, sentence = refusal("evaluate", models[0], store.path)
    assert code == 2
    assert "has no photographs in the split 'val'; choose one that it has: --split train (12 photographs), " in sentence
    code, sentence = refusal("evaluate", models[0], store.path, "--split", "val")
    assert code == 3
    assert "has no photographs in split 'val'; it has 'train' (12), 'test' (6)." in sentence


def test_other_classes_than_the_models_are_refused(models: list[Path], tmp_path: Path) -> None:
    source = Colours(counts={"train": 6, "val": 6}, classes=CLASSES[:3])
    save_model(tiny_model(tiny_store(tmp_path / "three", source)), tmp_path / "model")
    store = tiny_store(tmp_path / "six")
    code, sentence = refusal("evaluate", tmp_path / "model", store.path)
    assert code == 3
    assert "The model knows 3 classes and" in sentence
    assert "has 6, of which it does not know drab, emerald, fuchsia. Give data of the model's classes." in sentence


def test_damaged_weights_are_noticed(models: list[Path], colours: Store, tmp_path: Path) -> None:
    save_model(load_model(models[0]), tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    code, sentence = refusal("evaluate", tmp_path / "model", colours.path)
    assert code == 3
    assert f"{file} is damaged: its SHA-256 is not the one in model.json" in sentence


@pytest.fixture
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["MODEL"], 2, "Give at least one MODEL, and DATA last."),
        (["nowhere", "DATA"], 3, "There is no model at nowhere"),
        (["DATA", "DATA"], 3, "is not a model directory"),
        (["MODEL", "nothing"], 2, "Unknown source 'nothing'"),
        (["MODEL", "DATA", "--confusion", "no/where.csv"], 2, "no/where.csv cannot be written: there is no folder"),
        (["MODEL", "DATA", "--device", "cuda:99"], 2, "Device 'cuda:99' is not here"),
    ],
)
def test_mistakes_are_sentences(
    words: list[str],
    code: int,
    said: str,
    models: list[Path],
    colours: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, object] = {"MODEL": models[0], "DATA": colours.path}
    found = refusal("evaluate", *(known.get(word, word) for word in words))
    assert found[0] == code
    assert said in found[1]


def test_the_answers_to_each_photograph_as_csv(models: list[Path], colours: Store, tmp_path: Path) -> None:
    words = (models[0], colours.path, "--split", "test", "--dtype", "fp32", "--answers", tmp_path / "a.csv", "--json")
    plain = json.loads(alexnet("evaluate", *words).stdout)
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [colours.paths[index] for index in colours.split("test")]
    assert sum(row["rank"] != "1" for row in rows) / len(rows) == plain["top1_error"]
    assert sum(int(row["rank"]) > 5 for row in rows) / len(rows) == plain["top5_error"]
    for row, position in zip(rows, colours.split("test"), strict=True):
        assert row["true class"] == colours.classes[colours.labels[position]].name
        shown = [row[f"answer {place}"] for place in range(1, 6)]
        if int(row["rank"]) <= 5:
            assert shown[int(row["rank"]) - 1] == row["true class"]
            assert row[f"probability {row['rank']}"] == row["probability"]
    loss = -sum(math.log(float(row["probability"])) for row in rows) / len(rows)
    assert loss == pytest.approx(plain["loss"], rel=1e-3)  # six digits
    assert "there is no folder" in refusal("evaluate", *words[:-2], tmp_path / "no" / "a.csv")[1]


def test_names_that_are_no_unicode_are_written_as_the_disk_has_them(in_bytes: Store, tmp_path: Path) -> None:
    save_model(tiny_model(in_bytes), tmp_path / "model")
    files = ("--answers", tmp_path / "a.csv", "--confusion", tmp_path / "c.csv")
    assert alexnet("evaluate", tmp_path / "model", in_bytes.path, *files, "--json").exit_code == 0
    rows = (tmp_path / "a.csv").read_bytes().splitlines()[1:]
    assert [row.split(b",")[:2] for row in rows[:2]] == [
        [b"val/0\xe9.jpg", b"Amber\xe9"],
        [b"val/1\xe9.jpg", b"Blue\xe9"],
    ]
    assert (tmp_path / "c.csv").read_bytes().startswith(b"true class,Amber\xe9,Blue\xe9")


def test_errors_are_told_before_a_file_fails(models: list[Path], colours: Store, tmp_path: Path) -> None:
    for how, option in (("", "--answers"), ("--json", "--confusion")):
        words = filter(None, (models[0], colours.path, option, tmp_path, how))
        result = alexnet("evaluate", *words)
        assert result.exit_code == 1 and f"Cannot write {tmp_path}" in result.stderr
        assert "error" in result.stdout


def test_scores_of_classes_are_in_the_json_by_name(models: list[Path], colours: Store) -> None:
    plain = json.loads(alexnet("evaluate", models[0], colours.path, "--json").stdout)
    assert set(plain["class_scores"]) == set(plain["classes"])
    for name, scores in plain["class_scores"].items():
        assert scores["recall"] == pytest.approx(1 - plain["class_errors"][name])


CRANES = tuple(
    Category(key, name) for key, name in zip(CLASSES, ("crane", "Blue", "crane", "D", "E", "F"), strict=True)
)
TOLD_APART = ["crane (amber)", "Blue", "crane (coal)", "D", "E", "F"]


def test_classes_that_share_a_name_are_told_apart(colours: Store, tmp_path: Path) -> None:
    save_model(replace(tiny_model(colours), categories=CRANES), tmp_path / "model")
    words = ("--answers", tmp_path / "a.csv", "--confusion", tmp_path / "c.csv", "--dtype", "fp32", "--json")
    plain = json.loads(alexnet("evaluate", tmp_path / "model", colours.path, *words).stdout)
    tally = evaluate(tmp_path / "model", colours, placement=place("cpu", "fp32"))
    assert plain["classes"] == TOLD_APART
    assert plain["class_errors"] == dict(zip(TOLD_APART, tally.class_errors(), strict=True))
    assert list(plain["class_scores"]) == TOLD_APART
    assert (tmp_path / "c.csv").read_text().splitlines()[0] == f"true class,{','.join(TOLD_APART)}"
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        assert {row["true class"] for row in csv.DictReader(file)} == set(TOLD_APART)
    source = Colours(counts={"train": 6, "val": 12}, classes=CLASSES[:3])
    some = tiny_store(tmp_path / "store", source)
    among = json.loads(alexnet("evaluate", tmp_path / "model", some.path, "--json").stdout)["among_present"]
    assert list(among["class_errors"]) == TOLD_APART[:3]


def test_of_five_classes_or_fewer_the_top_five_are_no_measure(three_colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(three_colours), tmp_path / "model")
    result = alexnet("evaluate", tmp_path / "model", three_colours.path, "--split", "train")
    assert result.stdout.splitlines()[3].split()[4] == "–"


def test_words_in_the_wrong_order_are_told(models: list[Path], colours: Store) -> None:
    code, sentence = refusal("evaluate", colours.path, models[0])
    assert code == 2
    assert sentence.endswith(f"is a model, and DATA comes last: alexnet evaluate {models[0]} {colours.path}")
    sentence = refusal("predict", "photograph.jpg", models[0])[1]
    assert "MODEL comes first, and photograph.jpg is none" in sentence


def test_an_exported_file_is_measured_like_its_model(models: list[Path], colours: Store, tmp_path: Path) -> None:
    words = ("export", models[0], "--format", "onnx", "--out", tmp_path / "net.onnx")
    assert alexnet(*words).exit_code == 0
    both = [
        json.loads(alexnet("evaluate", name, colours.path, "--json", "--dtype", "fp32").stdout)
        for name in (models[0], tmp_path / "net.onnx")
    ]
    assert both[0]["confusion"] == both[1]["confusion"]
    assert both[0]["loss"] == both[1]["loss"]
