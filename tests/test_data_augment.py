"""Views as the paper and its code draw them: functions of (seed, epoch, position) alone."""

from dataclasses import replace

import numpy as np
import pytest

from alexnet.data.augment import (
    Augmentation,
    Views,
    centre_mean,
    epoch_order,
    fixed_views,
    random_views,
    view_means,
)
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.statistics import InputStatistics
from alexnet.errors import ConfigError


@pytest.fixture(scope="module")
def statistics() -> InputStatistics:
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(3, 3))
    covariance = spread @ spread.T * 1000
    values, vectors = np.linalg.eigh(covariance)
    mean = rng.uniform(90, 140, (256, 256, 3)).astype(np.float32)
    return InputStatistics(mean, covariance, values[::-1].copy(), vectors[:, ::-1].copy(), 10)


def test_the_centre_of_the_mean_image_is_the_one_of_the_centre_view(statistics: InputStatistics) -> None:
    np.testing.assert_array_equal(centre_mean(statistics, 224), statistics.mean_image[16:240, 16:240])


def test_the_mean_at_the_crop_is_what_caffe_subtracts_before_it_mirrors(statistics: InputStatistics) -> None:
    views = fixed_views(200, 256, 10)
    found = view_means(statistics, 200, views, Preparation(mean_at="crop"))
    assert found.shape == (10, 200, 200, 3)
    for number, (top, left) in enumerate([(0, 0), (0, 56), (28, 28), (56, 0), (56, 56)]):
        part = statistics.mean_image[top : top + 200, left : left + 200]
        np.testing.assert_array_equal(found[number], part)
        np.testing.assert_array_equal(found[number + 5], part[:, ::-1])


def test_by_default_one_mean_serves_all_views(statistics: InputStatistics) -> None:
    found = view_means(statistics, 200, fixed_views(200, 256, 10), DEFAULT)
    np.testing.assert_array_equal(found, centre_mean(statistics, 200))


def test_noise_along_unknown_components_is_refused() -> None:
    statistics = InputStatistics.of_mean([123, 117, 104])
    with pytest.raises(ConfigError, match="hold a published mean alone; set colour_noise to 0"):
        random_views(4, Augmentation(crop=32), statistics, seed=0, epoch=0)
    assert not random_views(4, Augmentation(crop=32, colour_noise=0), statistics, seed=0, epoch=0).shift.any()


def test_the_ten_crops_are_the_five_of_the_2012_code_and_their_mirrors() -> None:
    views = fixed_views(224, 256, 10)
    five = [(0, 0), (0, 32), (16, 16), (32, 0), (32, 32)]
    assert list(zip(views.top.tolist(), views.left.tolist(), strict=True)) == five * 2
    assert views.mirrored.tolist() == [False] * 5 + [True] * 5
    assert not views.shift.any()


def test_the_centre_view_of_227_starts_at_14_as_caffe_does() -> None:
    assert (fixed_views(227, 256, 1).top, fixed_views(227, 256, 1).left) == (14, 14)


def test_another_number_of_crops_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 crop or 10 crops, not 5"):
        fixed_views(224, 256, 5)


@pytest.mark.parametrize("crop", [0, 257])
def test_a_crop_that_does_not_fit_is_refused_with_its_value(crop: int, statistics: InputStatistics) -> None:
    larger = ", or prepare the photographs with --side 257 or more" if crop == 257 else ""
    said = rf"crop \(={crop}\) must be from 1 to 256.* input size \(--input-size\){larger}\.$"
    with pytest.raises(ConfigError, match=said):
        random_views(1, Augmentation(crop=crop), statistics, seed=0, epoch=0)


def test_every_offset_and_both_mirrors_occur_equally_often(statistics: InputStatistics) -> None:
    views = random_views(33 * 2000, Augmentation(crop=224), statistics, seed=0, epoch=0)
    for offsets in (views.top, views.left):
        counts = np.bincount(offsets, minlength=33)
        assert len(counts) == 33, "33 positions, 0 to 32: not the 32 of the paper's 2048"
        # 2000 expected each; five standard deviations of a binomial are 220
        assert abs(counts - 2000).max() < 220
    assert abs(views.mirrored.mean() - 0.5) < 5 * 0.5 / np.sqrt(66000)


def test_colour_noise_has_the_covariance_of_the_pixels_times_a_hundredth(statistics: InputStatistics) -> None:
    views = random_views(200_000, Augmentation(crop=224), statistics, seed=1, epoch=0)
    found = np.cov(views.shift.T.astype(np.float64), bias=True)
    # (0.1 √λ)² along each component is 0.01 × covariance; sampling error of a variance is √(2/n), here 0.3 %
    np.testing.assert_allclose(found, 0.01 * statistics.covariance, atol=0.02 * 0.01 * statistics.covariance.max())


def test_draws_depend_on_seed_epoch_and_position_alone(statistics: InputStatistics) -> None:
    augmentation = Augmentation(crop=224)
    views = random_views(100, augmentation, statistics, seed=7, epoch=3)
    again = random_views(100, augmentation, statistics, seed=7, epoch=3)
    for other in (random_views(100, augmentation, statistics, seed=8, epoch=3),
                  random_views(100, augmentation, statistics, seed=7, epoch=4)):  # fmt: skip
        assert (other.top != views.top).any()
        assert (other.shift != views.shift).all()
    for name in ("top", "left", "mirrored", "shift"):
        np.testing.assert_array_equal(getattr(again, name), getattr(views, name))


def test_switching_one_kind_of_draw_off_leaves_the_others(statistics: InputStatistics) -> None:
    augmentation = Augmentation(crop=224)
    views = random_views(50, augmentation, statistics, seed=0, epoch=0)
    still = random_views(50, replace(augmentation, mirror=False), statistics, seed=0, epoch=0)
    assert views.mirrored.any() and not still.mirrored.any()
    np.testing.assert_array_equal(still.top, views.top)
    np.testing.assert_array_equal(still.shift, views.shift)
    plain = random_views(50, replace(augmentation, colour_noise=0.0), statistics, seed=0, epoch=0)
    assert not plain.shift.any()
    np.testing.assert_array_equal(plain.left, views.left)


def test_the_kinds_of_draws_do_not_hang_together(statistics: InputStatistics) -> None:
    views = random_views(2000, Augmentation(crop=224), statistics, seed=0, epoch=0)
    order = epoch_order(2000, seed=0, epoch=0)
    found = np.corrcoef([views.top, views.left, views.mirrored, views.shift[:, 0], order])
    assert np.abs(found - np.eye(5)).max() < 0.1  # 4.5 deviations of chance


def test_groups_share_crop_and_mirror_but_not_colour(statistics: InputStatistics) -> None:
    views = random_views(128, Augmentation(crop=224, group=32), statistics, seed=0, epoch=0)
    for first in range(0, 128, 32):
        assert len({*zip(views.top[first : first + 32], views.left[first : first + 32], strict=True)}) == 1
        assert len({*views.mirrored[first : first + 32]}) == 1
    assert len({*zip(views.top, views.left, strict=True)}) == 4, "a batch of 128 holds four draws, as in 2012"
    assert len({tuple(shift) for shift in views.shift}) == 128


def test_an_epoch_visits_every_photograph_once() -> None:
    order = epoch_order(1000, seed=0, epoch=0)
    assert sorted(order) == list(range(1000))
    assert (order != epoch_order(1000, seed=0, epoch=1)).any()
    assert (order != epoch_order(1000, seed=1, epoch=0)).any()
    np.testing.assert_array_equal(order, epoch_order(1000, seed=0, epoch=0))


def test_slices_of_views_keep_rows_together(statistics: InputStatistics) -> None:
    views = random_views(10, Augmentation(crop=224), statistics, seed=0, epoch=0)
    part: Views = views[3:6]
    assert len(part) == 3
    np.testing.assert_array_equal(part.shift, views.shift[3:6])


ZOOM = Augmentation(crop=224, least_area=0.25, aspect=4 / 3)


def test_resized_crops_cover_the_shares_asked_for_and_lie_inside(statistics: InputStatistics) -> None:
    parts = random_views(20_000, ZOOM, statistics, seed=0, epoch=0).parts
    assert parts is not None
    left, top, right, bottom = parts.T.astype(np.float64)
    assert min(left.min(), top.min()) >= 0 and max(right.max(), bottom.max()) <= 256
    share, ratio = (right - left) * (bottom - top) / 256**2, (right - left) / (bottom - top)
    assert share.min() + 1e-6 >= 0.25 and share.max() <= 1
    assert ratio.min() + 1e-6 >= 3 / 4 and ratio.max() <= 4 / 3 + 1e-6
    # until a part is as long as the photograph (a share of 3/4), shares are uniform and ratios symmetric
    whole = share < 0.75
    counts = np.histogram(share[whole], bins=10, range=(0.25, 0.75))[0]
    expected = 20_000 * 0.05 / 0.75
    assert abs(counts - expected).max() < 5 * np.sqrt(expected)
    assert abs(np.log(ratio[whole]).mean()) < 5 * np.log(4 / 3) / np.sqrt(3 * whole.sum())
    # places are uniform: the free space before a part is half of all free space on average
    for start, end in ((left, right), (top, bottom)):
        free = 256 - (end - start)
        assert abs((start[free > 1] / free[free > 1]).mean() - 0.5) < 0.02


def test_resized_crops_leave_the_other_draws_and_go_with_their_rows(statistics: InputStatistics) -> None:
    plain = random_views(50, Augmentation(crop=224), statistics, seed=0, epoch=0)
    zoomed = random_views(50, ZOOM, statistics, seed=0, epoch=0)
    np.testing.assert_array_equal(zoomed.mirrored, plain.mirrored)
    np.testing.assert_array_equal(zoomed.shift, plain.shift)
    assert not zoomed.top.any() and not zoomed.left.any()
    assert zoomed.parts is not None and plain.parts is None
    np.testing.assert_array_equal(zoomed[10:20].parts, zoomed.parts[10:20])
    grouped = random_views(64, replace(ZOOM, group=32), statistics, seed=0, epoch=0).parts
    assert grouped is not None and len(np.unique(grouped, axis=0)) == 2


def test_a_least_area_or_an_aspect_alone_resizes() -> None:
    assert Augmentation(crop=224, least_area=0.5).zooms and Augmentation(crop=224, aspect=1.5).zooms
    assert not Augmentation(crop=224).zooms


def test_without_random_crops_nothing_is_resized(statistics: InputStatistics) -> None:
    views = random_views(5, replace(ZOOM, random_crop=False), statistics, seed=0, epoch=0)
    assert views.parts is None and views.top.tolist() == [16] * 5


@pytest.mark.parametrize("wrong", [{"least_area": 0.0}, {"least_area": 1.5}, {"aspect": 0.5}, {"aspect": np.inf}])
def test_shares_and_aspects_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be above 0 and at most 1, its aspect"):
        Augmentation(crop=224, **wrong)
