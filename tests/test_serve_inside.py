import re
import shutil
from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from asking import Service, picture, serving
from making import damaged, tiny_model
from PIL import Image

from alexnet.data.source import Category
from alexnet.data.store import Store
from alexnet.errors import DataError, WeightsError
from alexnet.evaluation.extraction import Plan, write_features
from alexnet.evaluation.features import Features
from alexnet.evaluation.photographs import of_files, of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.evaluation.search import nearest
from alexnet.model.device import place
from alexnet.serve.service import Service as Served
from alexnet.serve.settings import Settings
from alexnet.show.saliency import saliency
from alexnet.weights.export import export
from alexnet.weights.model_dir import Model, save_model

CONTENT = picture(20, (90, 60))


@pytest.fixture(scope="module")
def model(colours: Store) -> Model:
    return tiny_model(colours)


@pytest.fixture(scope="module")
def predictor(model: Model) -> Predictor:
    return Predictor(model, placement=place("cpu", "fp32"))


def test_features_are_the_predictors(served: Service, predictor: Predictor) -> None:
    answer = served.ask("/v1/features?layers=pool1,fc2", CONTENT).json
    expected = predictor.stages(CONTENT, ("pool1", "fc2"))
    assert answer["dtype"] == "fp32" and list(answer["layers"]) == ["pool1", "fc2"]
    for name, right in expected.items():
        found = answer["layers"][name]
        assert found["shape"] == list(right.shape[1:])
        assert found["values"] == pytest.approx(right.ravel().tolist(), abs=1e-6)


def test_features_are_a_file_of_numpy_where_asked_for(served: Service, predictor: Predictor) -> None:
    answer = served.ask("/v1/features", CONTENT, {"Accept": "application/x-npy"})
    found = np.load(BytesIO(answer.body))
    np.testing.assert_allclose(found, predictor.stages(CONTENT, "relu2")["relu2"][0], atol=1e-6)
    several = served.ask("/v1/features?layers=fc2,fc3", CONTENT, {"Accept": "application/x-npy"})
    assert several.status == 400 and "one layer" in several.json["detail"]


def test_an_unknown_layer_gets_the_nearest_name(served: Service) -> None:
    answer = served.ask("/v1/maps?stage=pol1", CONTENT)
    assert answer.status == 400 and "did you mean 'pool1'" in answer.json["detail"]


@pytest.mark.parametrize("stage", ["conv1", "relu1", "fc2"])
def test_maps_lie_in_the_sheet_as_they_say(served: Service, predictor: Predictor, stage: str) -> None:
    answer = served.ask(f"/v1/maps?stage={stage}&top=5", CONTENT).json
    right = predictor.stages(CONTENT, stage)[stage][0].reshape(answer["shape"][0], *answer["tile"])
    assert answer["order"] == np.argsort(-right.max((1, 2)), kind="stable")[:5].tolist()
    sheet = np.asarray(Image.open(BytesIO(b64decode(answer["sheet"].partition(",")[2]))))
    height, width = answer["tile"]
    assert answer["columns"] == 5 and sheet.shape[:2] == (height, 5 * width)
    for number, index in enumerate(answer["order"]):
        tile = sheet[:, number * width : (number + 1) * width].astype(float)
        if answer["colours"] == "grey":
            np.testing.assert_allclose(tile, 255 * right[index] / answer["high"], atol=0.51)
        else:
            red_less_blue = tile[..., 0] - tile[..., 2]
            assert (red_less_blue[right[index] > 0] >= 0).all() and (red_less_blue[right[index] < 0] <= 0).all()
    assert answer["colours"] == ("grey" if stage == "relu1" else "signed")


@pytest.mark.parametrize("method", ["gradient", "gradcam", "occlusion"])
def test_saliency_is_that_of_show(served: Service, model: Model, predictor: Predictor, method: str) -> None:
    answer = served.ask(f"/v1/saliency?method={method}&class=2", CONTENT).json
    right = saliency(model, CONTENT, "", (method,), category=model.categories[2].key, stride=16)
    values = np.array(answer["values"]).reshape(answer["grid"])
    np.testing.assert_allclose(values, right.heats[0].values, rtol=1e-3, atol=1e-6)
    assert answer["class"] == model.categories[2].name and answer["box"] == [112, 112, 32, 32]
    assert answer["empty"] is right.heats[0].empty


def test_a_class_is_explained_by_its_number_whatever_its_name(model: Model, tmp_path: Path) -> None:
    keys = [each.key for each in model.categories]
    crossed = tuple(Category(key, name) for key, name in zip(keys, [*keys[1:], keys[0]], strict=True))
    save_model(replace(model, categories=crossed), tmp_path / "model")
    with serving(tmp_path / "model", tmp_path / "log") as service:
        told = [service.ask(f"/v1/saliency?class={index}", CONTENT).json["class"] for index in range(6)]
    assert told == [each.name for each in crossed]


def test_a_class_that_is_not_there_is_refused(served: Service) -> None:
    assert served.ask("/v1/saliency?class=6", CONTENT).json["detail"].startswith("class is a whole number from 0 to 5")


def test_kernels_are_tiles(served: Service, model: Model) -> None:
    sheet = np.asarray(Image.open(BytesIO(served.ask("/v1/filters.png").body)))
    assert sheet.shape == (6, 8 * 6, 3)
    weight = model.net.get_parameter("conv1.weight").detach().numpy()
    share = (weight - weight.min()) / (weight.max() - weight.min())
    np.testing.assert_allclose(sheet[:5, 6:11], 255 * share[1].transpose(1, 2, 0), atol=0.51)
    assert (sheet[5] == 255).all() and (sheet[:, 5] == 255).all()
    one = np.asarray(Image.open(BytesIO(served.ask("/v1/filters.png?map=1").body)))
    np.testing.assert_array_equal(one, sheet[:5, 6:11])
    assert "has no kernels" in served.ask("/v1/filters.png?layer=fc2").json["detail"]


def test_the_drawing_is_an_svg_without_a_script(served: Service) -> None:
    answer = served.ask("/v1/architecture.svg")
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.body.startswith(b"<svg ") and not re.search(rb"<script|href|onload", answer.body)


def test_no_run_is_a_404(served: Service) -> None:
    answer = served.ask("/v1/run")
    assert answer.status == 404 and "--run RUN" in answer.json["detail"]


def test_a_run_is_told_from_an_epoch_on(model: Model, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    head = "epoch,lr,train_loss,train_error,val_loss,val_top1_error,val_top5_error,rate,waiting,seconds,best\n"
    save_model(model, tmp_path / "model")
    with serving(tmp_path / "model", tmp_path / "log", run=run) as service:
        assert service.ask("/v1/run").json["state"] == "not begun"
        (run / "run.json").write_text("{}")
        started = '{"event": "Started", "epochs": 9, "train_images": 5}\n'
        step = '{"event": "StepEnd", "epoch": 3, "seconds_left": 60.5}\n'
        (run / "log.jsonl").write_text(started + step + '{"event": "StepE')  # a line that is being written
        (run / "metrics.csv").write_text(head + "1,0.1,2.0,0.5,,,,9,0,1,True\n2,0.1,1.0,0.4,,,,9,0,1,True\n")
        told = service.ask("/v1/run?after=1").json
        assert (
            told["state"] == "running" and told["epoch"] == 3 and told["epochs"] == 9 and told["seconds_left"] == 60.5
        )
        assert [row["epoch"] for row in told["rows"]] == [2] and told["rows"][0]["val_loss"] is None
        (run / "log.jsonl").write_text(started + step + '{"event": "Finished"}\n')
        assert service.ask("/v1/run").json["state"] == "finished"


def test_an_onnx_file_answers_and_shows_nothing_inside(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    export(model, tmp_path / "net.onnx", "onnx")
    with serving(tmp_path / "net.onnx", tmp_path / "log") as service:
        assert service.ask("/v1/predict", CONTENT).status == 200
        card = service.ask("/v1/model").json
        assert card["inside"] is False and card["ten_crops"] is False
        for path in ("/v1/maps", "/v1/features", "/v1/saliency"):
            answer = service.ask(path, CONTENT)
            assert answer.status == 404 and answer.json["code"] == "answers_only"


def test_neighbours_are_those_of_search(model: Model, colours: Store, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    predictor = Predictor(tmp_path / "model", placement=place("cpu", "fp32"))
    made = tmp_path / "features"
    write_features(tmp_path / "model", predictor, of_split(colours, "train"), made, Plan(("relu2",)))
    with serving(tmp_path / "model", tmp_path / "log", features=made) as service:
        for metric in ("euclidean", "cosine"):
            told = service.ask(f"/v1/search?k=4&metric={metric}", CONTENT).json
            query = predictor.stages(CONTENT, "relu2")["relu2"]
            rows, far = nearest(Features.open(made).array("relu2"), query, 4, metric)
            assert [each["row"] for each in told["neighbours"]] == rows[0].tolist()
            assert [each["distance"] for each in told["neighbours"]] == pytest.approx(far[0].tolist(), abs=1e-5)
        first = told["neighbours"][0]
        assert first["label"] in {category.name for category in colours.classes} and first["image"] in colours.paths
        assert first["thumbnail"].startswith("data:image/jpeg;base64,")
        assert service.ask("/v1/model").json["features"] == {"images": 42}


def test_a_store_that_has_moved_is_told_at_the_start_and_its_photographs_are_named(
    model: Model, colours: Store, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "model")
    shutil.copytree(colours.path, store := tmp_path / "store")
    predictor = Predictor(tmp_path / "model", placement=place("cpu", "fp32"))
    split = of_split(Store.open(store), "val")
    write_features(tmp_path / "model", predictor, split, tmp_path / "made", Plan(("relu2",)))
    shutil.rmtree(store)
    with serving(tmp_path / "model", tmp_path / "log", features=tmp_path / "made") as service:
        found = service.ask("/v1/search?k=2", CONTENT).json["neighbours"]
        assert [each["thumbnail"] for each in found] == [None, None]
        assert {each["image"] for each in found} < set(colours.paths)
        first = service.log.read_text().splitlines()[0]
    assert first.startswith("The photographs that are searched cannot be shown: There is no store at")


def test_names_that_are_no_unicode_are_escapes(in_bytes: Store, tmp_path: Path) -> None:
    save_model(tiny_model(in_bytes), tmp_path / "model")
    predictor = Predictor(tmp_path / "model", placement=place("cpu", "fp32"))
    made = tmp_path / "made\udce9"
    write_features(tmp_path / "model", predictor, of_split(in_bytes, "val"), made, Plan(("relu2",)))
    with serving(tmp_path / "model", tmp_path / "log", features=made) as service:
        found = service.ask("/v1/search?k=2", CONTENT)
        assert found.status == 200 and found.body.decode("utf-8")
        assert {each["image"] for each in found.json["neighbours"]} < set(in_bytes.paths)
        names = {each.name for each in in_bytes.classes}
        assert {each["class"] for each in service.ask("/v1/model").json["classes"]} == names
        assert service.ask("/v1/predict", CONTENT).json["predictions"][0]["class"] in names
        assert service.ask("/v1/saliency", CONTENT).json["class"] in names


def test_features_of_another_model_are_refused(model: Model, colours: Store, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    save_model(tiny_model(colours, seed=1), tmp_path / "other")
    predictor = Predictor(tmp_path / "other", placement=place("cpu", "fp32"))
    write_features(tmp_path / "other", predictor, of_split(colours, "val"), tmp_path / "made", Plan(("relu2",)))
    with pytest.raises(DataError, match="features of another model"):
        Served(tmp_path / "model", None, Settings(), None, tmp_path / "made")


def test_a_model_that_answers_nan_is_not_served(colours: Store, tmp_path: Path) -> None:
    save_model(damaged(tiny_model(colours), "fc3.weight"), tmp_path / "model")
    with pytest.raises(WeightsError, match="The network 'tiny' answers NaN instead of probabilities"):
        Served(tmp_path / "model", place("cpu", "fp32"), Settings())


def test_without_features_there_is_nothing_to_search(served: Service) -> None:
    answer = served.ask("/v1/search", CONTENT)
    assert answer.status == 404 and answer.json["code"] == "no_features"


def test_neighbours_that_are_files_are_named_without_their_folders(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    predictor = Predictor(tmp_path / "model", placement=place("cpu", "fp32"))
    paths = [tmp_path / "secret" / f"{seed}.png" for seed in range(3)]
    paths[0].parent.mkdir()
    for seed, path in enumerate(paths):
        path.write_bytes(picture(seed))
    write_features(tmp_path / "model", predictor, of_files(paths, predictor), tmp_path / "made", Plan(("relu2",)))
    paths[2].unlink()
    with serving(tmp_path / "model", tmp_path / "log", features=tmp_path / "made") as service:
        answer = service.ask("/v1/search?k=9", picture(2))
        assert "secret" not in answer.body.decode()
        first, *others = answer.json["neighbours"]
        assert (first["image"], first["thumbnail"]) == ("2.png", None)
        assert first["distance"] < 1e-4  # not 0: the features were made in a batch of three
        assert {each["image"] for each in others} == {"0.png", "1.png"}
