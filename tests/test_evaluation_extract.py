import numpy as np
import pytest
import torch
from making import tiny_model
from pictures import picture

from alexnet.data.store import Store
from alexnet.errors import ConfigError
from alexnet.evaluation.extract import extract
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place


def test_features_are_the_network_s_own_in_fp32(colours: Store) -> None:
    model, images = tiny_model(colours), [picture(300, 280, seed=seed) for seed in range(3)]
    found = extract(model, images, ["relu2", "pool1"])
    views = np.concatenate([Predictor(model, placement=place("cpu", "fp32")).views(image).inputs for image in images])
    with torch.no_grad():
        expected = model.net.stages(torch.from_numpy(views), ["relu2", "pool1"])
    for name, array in found.items():
        assert array.dtype == np.float32
        # fp32 sums in another order
        np.testing.assert_allclose(array, expected[name].numpy(), rtol=1e-5, atol=1e-5)
    assert extract(model, images[0], "relu2", crops=10)["relu2"].shape == (1, 10, 16)


def test_what_is_no_model_is_a_sentence(colours: Store) -> None:
    for thing in (tiny_model(colours).net, None, torch.nn.ReLU()):
        said = f"A model is an alexnet.Model or the path of one, not {type(thing).__name__}; of a network"
        with pytest.raises(ConfigError, match=said):
            extract(thing, "nowhere.jpg", "relu1")  # type: ignore[arg-type]
