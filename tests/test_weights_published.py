import pytest

from alexnet.data.preparation import Preparation
from alexnet.model.variants import VARIANTS
from alexnet.weights.foreign.published import PUBLISHED


def test_every_variant_has_its_row() -> None:
    assert set(PUBLISHED) == set(VARIANTS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_errors_are_per_cents_of_an_imagenet_with_their_source(name: str) -> None:
    for errors in PUBLISHED[name].errors:
        assert 15 < errors.top5 < 21 < 37 < errors.top1 < 44
        assert errors.views in (1, 10)
        assert errors.data in ("ILSVRC-2010 test", "ILSVRC-2012 validation")
        assert errors.source


def test_errors_are_100_minus_the_accuracies_that_others_print() -> None:
    accuracies = {"bvlc_alexnet": (57.1, 80.2), "caffenet": (57.4, 80.4), "owt": (56.522, 79.066)}
    for name, (top1, top5) in accuracies.items():
        errors = PUBLISHED[name].errors[0]
        assert (errors.top1 + top1, errors.top5 + top5) == pytest.approx((100, 100))


def test_the_differences_the_paper_prints_follow_from_the_logs() -> None:
    # section 3.2: two towers beat one of half the kernels by 1.7 and 1.2 points
    whole, half = PUBLISHED["original2012"].errors[1], PUBLISHED["one_column_half"].errors[0]
    assert (whole.data, whole.views) == (half.data, half.views)
    assert (round(half.top1 - whole.top1, 1), round(half.top5 - whole.top5, 1)) == (1.7, 1.2)
    for printed, logged in zip(PUBLISHED["paper"].errors, PUBLISHED["original2012"].errors, strict=False):
        assert (printed.data, printed.views) == (logged.data, logged.views)
        assert (printed.top1, printed.top5) == (round(logged.top1, 1), round(logged.top5, 1))


def test_torchvision_s_numbers_are_those_of_its_transforms() -> None:
    std, mean = PUBLISHED["owt"].preparation, PUBLISHED["owt"].mean
    assert std is not None
    assert std.std == pytest.approx([255 * value for value in (0.229, 0.224, 0.225)])
    assert [float(word.strip(",")) for word in mean.split()[1:]] == pytest.approx(
        [255 * value for value in (0.485, 0.456, 0.406)]
    )


def test_words_name_the_mean_and_what_a_preparation_cannot_say() -> None:
    caffe = PUBLISHED["caffenet"].in_words
    assert caffe["channels"] == "BGR"
    assert "104.007" in caffe["mean"]
    assert "not recorded" in caffe["remark"]
    assert PUBLISHED["owt"].in_words.keys() == Preparation().in_words.keys()
    assert PUBLISHED["tflearn"].in_words.keys() == {"remark"}
