"""Response normalisation and `tflearn` against what TensorFlow said; `make proofs` compares with TensorFlow itself."""

import numpy as np
import pytest
import torch
from golden_files import check, golden
from proofs.networks import seeded, views
from proofs.tensorflow import IMAGES, LIMIT, LRN, POSITIONS, Case, cases, tflearn_spec
from proofs.torchvision import STAGE

pytestmark = pytest.mark.usefixtures("one_thread")

NORMS, TFLEARN = golden("lrn-tensorflow"), golden("tflearn-tensorflow")
CASES = {case.name: case for case in cases()}


def test_every_case_was_asked() -> None:
    assert list(NORMS["cases"]) == list(CASES)


# one sum of at most 11 squares and one power in fp32: 3e-7 of the largest value was seen
@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_normalisations_and_their_gradients_are_those_of_tensorflow(case: Case) -> None:
    for letter, both in zip("yd", case.ours(), strict=True):
        for ours, how in zip(both, ("kernels", "PyTorch alone"), strict=True):
            check(ours, NORMS["cases"][case.name][letter], LRN, f"{letter}, {how}")


def test_alpha_that_is_not_divided_is_found_out() -> None:
    original, printed = list(CASES.values())[:2]
    assert (original.norm.convention, printed.norm.convention) == ("original", "printed")
    with pytest.raises(AssertionError):
        check(original.ours()[0][0], NORMS["cases"][printed.name]["y"], 1000 * LRN, "y")


# the same sums in another order, eight layers deep: 2e-6 was seen
def test_every_stage_of_tflearn_is_that_of_keras() -> None:
    net = seeded(tflearn_spec())
    images = views(net.spec, IMAGES, LIMIT)
    names = [name for name in net.names if not name.startswith("drop")]
    assert sorted(names) == sorted(TFLEARN["stages"])
    with torch.inference_mode():
        for name, ours in net.stages(images, names).items():
            check(ours, TFLEARN["stages"][name], STAGE, name)
        theirs = np.array(TFLEARN["logits"])
        assert np.abs(net(images).numpy() - theirs).max() <= STAGE * np.abs(theirs).max()
        wrong = seeded(net.spec.with_norm(convention="original"))(images).numpy()
    assert np.abs(wrong - theirs).max() > 1000 * STAGE * np.abs(theirs).max()


def test_tensorflow_has_57_29_15_and_8_positions() -> None:
    sides = tuple(TFLEARN["stages"][name]["shape"][-1] for name in ("conv1", "pool1", "pool2", "pool5"))
    assert sides == POSITIONS == (57, 29, 15, 8)
