import json
import shutil
from pathlib import Path

import pytest
import serve_load
from browsing import IN_CI
from making import tiny_model

from alexnet.data.store import Store
from alexnet.weights.model_dir import save_model


def test_both_services_answer_as_predict_does_and_the_ratios_are_of_the_medians(colours: Store, tmp_path: Path) -> None:
    if shutil.which("hey") is None:
        assert not IN_CI, "CI installs the program hey."
        pytest.skip("needs the program hey: apt-get install hey")
    save_model(tiny_model(colours), tmp_path / "model")
    words = ["--model", str(tmp_path / "model"), "--rounds", "1", "--requests", "64", "--long", "64"]
    told = serve_load.main([*words, "--json", str(tmp_path / "record.json")])
    assert json.loads((tmp_path / "record.json").read_text())["ratios"] == told["ratios"]
    for found in told["checked"].values():
        assert found["statuses"] == {200: 64}
        assert found["difference"] <= 1e-6
    rate = {(row["service"], row["clients"]): row["requests_per_s"] for row in told["rounds"]}
    assert told["ratios"]["requests_per_s, 64 clients"] == rate["together", 64] / rate["alone", 64]
    assert told["long"][0]["statuses"] == {200: 64}


def test_a_wrong_answer_is_seen(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "model")
    photograph = serve_load.write_photographs(tmp_path / "photographs", 1, 1).joinpath("class0000/00000.jpg")
    wrong = [{category.key: 2.0 for category in colours.classes}]
    with serve_load.service(tmp_path / "model", 4) as (address, _):
        found = serve_load.checked(address, [photograph.read_bytes()], wrong, 3)
    assert found["statuses"] == {200: 3}
    assert found["difference"] > 1
