import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from asking import Service, picture, serving
from making import CLASSES, tiny_model
from PIL import Image

import alexnet
from alexnet.data.store import Store
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.weights.model_dir import save_model


@pytest.fixture(scope="module")
def predictor(colours: Store) -> Predictor:
    return Predictor(tiny_model(colours), placement=place("cpu", "fp32"))


@pytest.mark.parametrize("crops", [1, 10])
def test_an_answer_is_that_of_predict(served: Service, predictor: Predictor, crops: int) -> None:
    content = picture(crops, (90, 50), "JPEG")
    answer = served.ask(f"/v1/predict?k=3&crops={crops}", content).json
    expected = predictor.predict(content, 3, crops).to_json()["predictions"]
    assert [(each["key"], each["index"], each["class"]) for each in answer["predictions"]] == [
        (each["key"], each["index"], each["class"]) for each in expected
    ]
    for found, right in zip(answer["predictions"], expected, strict=True):
        assert found["probability"] == pytest.approx(right["probability"], abs=1e-6)


def test_ten_crops_tell_where_they_lie_and_average_to_the_answer(served: Service, predictor: Predictor) -> None:
    content = picture(3)
    answer = served.ask("/v1/predict?crops=10&k=6", content).json
    seen = predictor.views(content, 10)
    crops = answer["crops"]
    assert [crop["mirrored"] for crop in crops] == seen.mirrored.tolist()
    lefts_tops = [crop["box"][:2] for crop in crops]
    assert lefts_tops == seen.boxes[:, :2].tolist() and {tuple(crop["box"][2:]) for crop in crops} == {(32, 32)}
    shares = np.zeros(len(CLASSES))
    for crop in crops:
        for each in crop["predictions"]:
            shares[each["index"]] += each["probability"] / 10
    for each in answer["predictions"]:
        assert each["probability"] == pytest.approx(shares[each["index"]], abs=1e-6)


def test_an_answer_says_what_the_network_saw(served: Service) -> None:
    answer = served.ask("/v1/predict", picture(size=(300, 100), kind="GIF")).json
    assert answer["size"] == [300, 100] and answer["part"] == [100, 0, 200, 100] and answer["orientation"] == 1
    assert answer["side"] == 256 and answer["view"] == [112, 112, 32, 32]
    assert answer["treatments"] == ["converted from a palette"]
    assert "crops" not in answer


def transparent() -> bytes:
    """A PNG with a colour beneath what is transparent."""
    file = BytesIO()
    pixels = np.random.default_rng(5).integers(0, 256, (40, 70, 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("crops", [1, 10])
@pytest.mark.parametrize("content", [picture(4, (90, 50), "JPEG"), transparent()], ids=["JPEG", "transparent PNG"])
def test_the_square_that_the_network_saw_is_given_where_asked_for(
    served: Service, predictor: Predictor, content: bytes, crops: int
) -> None:
    answer = served.ask(f"/v1/predict?square=1&crops={crops}", content).json
    head, _, body = answer.pop("square").partition(",")
    with Image.open(BytesIO(b64decode(body, validate=True))) as found:
        assert (head, found.format, found.mode) == ("data:image/png;base64", "PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(found), predictor.views(content).square)
    assert answer == served.ask(f"/v1/predict?square=0&crops={crops}", content).json
    assert answer == served.ask(f"/v1/predict?crops={crops}", content).json


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("k=0", "k is a whole number from 1 to 10000, not '0'"),
        ("k=%D9%A3", "k is a whole number"),
        ("k=1e9", "k is a whole number"),
        ("k=99999999999999999999", "k is a whole number"),
        ("crops=2", "Unknown crops '2'"),
        ("square=yes", "Unknown square 'yes'"),
        ("corps=10", "Unknown parameter 'corps'; did you mean 'crops'?"),
        ("k=1&k=2", "The parameter k is given twice"),
    ],
)
def test_parameters_are_known_ones(served: Service, query: str, words: str) -> None:
    answer = served.ask(f"/v1/predict?{query}", picture())
    assert answer.status == 400 and answer.json["code"] == "bad_parameter"
    assert words in answer.json["detail"]


def test_the_card_names_classes_and_limits_and_no_place(served: Service) -> None:
    card = served.ask("/v1/model").json
    assert [each["key"] for each in card["classes"]] == list(CLASSES)
    assert card["limits"] == {"bytes": 300_000, "pixels": 1_000_000, "queue": 128}
    assert card["input_size"] == 32 and card["dtype"] == "fp32"
    assert str(Path.home()) not in json.dumps(card) and "/tmp" not in json.dumps(card)


def test_layers_are_those_of_the_account_with_the_place_that_each_sees(served: Service, colours: Store) -> None:
    told = served.ask("/v1/layers").json
    expected = alexnet.account(tiny_model(colours).net.spec).to_json()
    for row in told["layers"]:
        field = row.pop("field")
        assert (field or {}).get("side") == row["receptive_field"]
    assert told == json.loads(json.dumps(expected))


def test_the_counters_are_read_by_prometheus(served: Service) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    served.ask("/v1/predict", picture())
    answer = served.ask("/metrics")
    families = {each.name: each for each in parser.text_string_to_metric_families(answer.body.decode())}
    counted = {frozenset(sample.labels.values()): sample.value for sample in families["alexnet_requests"].samples}
    assert counted[frozenset(("/v1/predict", "POST", "200"))] >= 1
    assert families["alexnet_waiting_views"].samples[0].value == 0
    assert answer.headers["content-type"].startswith("text/plain")


def test_health(served: Service) -> None:
    assert served.ask("/healthz").json == {"status": "ok"}


def test_in_bf16_answers_are_those_of_predict_to_a_thousandth(colours: Store, tmp_path: Path) -> None:
    model = tiny_model(colours)
    save_model(model, tmp_path / "model")
    contents = [picture(seed, (80, 70)) for seed in range(6)]
    right = Predictor(model, placement=place("cpu", "bf16")).predict(contents, 6)
    with serving(tmp_path / "model", tmp_path / "log", dtype="bf16") as service:
        assert service.ask("/v1/model").json["dtype"] == "bf16"
        for content, prediction in zip(contents, right, strict=True):
            found = {
                each["key"]: each["probability"] for each in service.ask("/v1/predict", content).json["predictions"]
            }
            for each in prediction.answers[:5]:
                assert found.get(each.key, each.probability) == pytest.approx(each.probability, abs=1e-3)
        features = service.ask("/v1/features?layers=fc2", contents[0]).json
        exact = Predictor(model, placement=place("cpu", "fp32")).stages(contents[0], "fc2")["fc2"]
        assert features["layers"]["fc2"]["values"] == pytest.approx(exact[0].tolist(), abs=1e-6)


def test_a_picture_that_is_not_there_is_a_404(served: Service) -> None:
    assert served.ask("/examples/2.png").headers["content-type"] == "image/png"
    for number in ("3", "-1", "x", "9" * 5000):
        answer = served.ask(f"/examples/{number}.png")
        assert (answer.status, answer.json["code"]) == (404, "not_found"), number[:9]
