from dataclasses import fields
from fractions import Fraction
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.data.statistics import InputStatistics, Sums, principal_components
from alexnet.errors import ConfigError


def photographs(count: int, side: int = 8, seed: int = 0) -> np.ndarray:
    """Random pictures whose channels differ in mean, spread and correlation, and whose pixels differ in mean."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(count, side, side, 1)) * 40 + rng.uniform(40, 200, size=(side, side, 1))
    mixed = base * [1.0, 0.8, 0.3] + rng.normal(size=(count, side, side, 3)) * [5, 10, 20] + [0, 10, 30]
    return np.clip(mixed, 0, 255).astype(np.uint8)


MEASURED = Sums.of(photographs(2), side=8).statistics()


def test_mean_and_covariance_are_those_of_numpy_in_float64():
    images = photographs(20)
    statistics = Sums.of(images, side=8).statistics()
    assert statistics.images == 20
    np.testing.assert_array_equal(statistics.mean_image, images.mean(axis=0, dtype=np.float64).astype(np.float32))
    expected = np.cov(images.reshape(-1, 3).astype(np.float64), rowvar=False, ddof=0)
    # NumPy's own rounding over 1,280 terms; ours rounds once
    np.testing.assert_allclose(statistics.covariance, expected, rtol=1e-12)


def test_covariance_is_the_exact_one_correctly_rounded():
    pixels = photographs(3).reshape(-1, 3).astype(int).tolist()
    mean = [Fraction(sum(column), len(pixels)) for column in zip(*pixels, strict=True)]
    exact = [
        [float(sum((p[i] - mean[i]) * (p[j] - mean[j]) for p in pixels) / len(pixels)) for j in range(3)]
        for i in range(3)
    ]
    np.testing.assert_array_equal(Sums.of(photographs(3), side=8).statistics().covariance, exact)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(9)), st.lists(st.integers(0, 9), max_size=3).map(sorted))
def test_any_order_and_grouping_gives_the_same_bits(order, cuts):
    images = photographs(9)
    whole = Sums.of(images, side=8).statistics()
    parts = [Sums.of(part, side=8) for part in np.split(images[list(order)], cuts)]
    grouped = reduce(add, parts).statistics()
    for field in ("mean_image", "covariance", "eigenvalues", "eigenvectors", "images"):
        assert np.asarray(getattr(grouped, field)).tobytes() == np.asarray(getattr(whole, field)).tobytes()


def test_a_billion_equal_photographs_have_no_variance():
    # sums of 10¹⁸ and more, beyond what float64 counts exactly: a float accumulation does not cancel to zero here
    one = Sums.of([np.full((256, 256, 3), 201, dtype=np.uint8)], side=256)
    billion = Sums(10**9, one.pixels * 10**9, one.products * 10**9)
    statistics = billion.statistics()
    np.testing.assert_array_equal(statistics.covariance, 0.0)
    np.testing.assert_array_equal(statistics.mean_image, 201.0)


def test_eigenpairs_rebuild_the_covariance_in_descending_order():
    statistics = Sums.of(photographs(20), side=8).statistics()
    values, vectors = statistics.eigenvalues, statistics.eigenvectors
    assert values[0] > values[1] > values[2] > 0
    # float64 rounding of values around 10⁴
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, statistics.covariance, atol=1e-9)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(statistics.deviations**2, values, rtol=1e-15)


def test_the_largest_component_of_each_eigenvector_is_positive():
    for seed in range(20):
        _, vectors = principal_components(np.cov(np.random.default_rng(seed).normal(size=(3, 10))))
        assert (vectors.max(axis=0) == np.abs(vectors).max(axis=0)).all()


def test_principal_components_are_lapacks_and_their_bits_are_those_of_every_machine():
    generator = np.random.default_rng(0)
    for _ in range(200):
        covariance = np.cov(generator.normal(size=(3, 10)) * 10 ** generator.uniform(-3, 3, size=(3, 1)))
        values, vectors = principal_components(covariance)
        np.testing.assert_allclose(values, np.linalg.eigvalsh(covariance)[::-1], rtol=0, atol=1e-14 * values[0])
        np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, covariance, rtol=0, atol=1e-14 * values[0])
    values, vectors = principal_components(np.array([[4000.0, 3500.0, 3000.0], [3500, 3900, 3600], [3000, 3600, 4700]]))
    assert [value.hex() for value in values.tolist()] == [
        *("0x1.5604f2aa680efp+13", "0x1.53d2286e4076ap+10", "0x1.281908f9fc46ep+8")
    ]
    assert [value.hex() for value in vectors.ravel().tolist()] == [
        *("0x1.1a4e31603fce9p-1", "-0x1.532c60c2ec385p-1", "-0x1.03a1f0a5dc089p-1"),
        *("0x1.291742693322bp-1", "-0x1.0ec0c60511eafp-3", "0x1.9b75c1da1e7ccp-1"),
        *("0x1.32e52b7e47988p-1", "0x1.7985edef87adbp-1", "-0x1.3ef889f600392p-2"),
    ]
    # of grey photographs two components are any two: these
    grey = principal_components(np.full((3, 3), 3.0))[1]
    assert grey[:, 1].tolist() == [0.7071067811865475, -0.7071067811865475, 0.0]


def test_principal_components_of_the_published_covariance_are_the_published_ones():
    # ImageNet's, from the 2014 release of the original code
    deviations = np.array([121.78006, 37.09389, 19.72083])
    red = [-0.56351, -0.71258, 0.41796]
    green = [-0.57618, -0.02354, -0.81698]
    blue = [-0.59200, 0.70120, 0.39731]
    published = np.array([red, green, blue])
    values, vectors = principal_components(published @ np.diag(deviations**2) @ published.T)
    # the published digits end at 1e-5, of which the largest variance carries a part into the smallest
    np.testing.assert_allclose(np.sqrt(values), deviations, rtol=1e-4)
    np.testing.assert_allclose(vectors, published * [-1, -1, -1], atol=1e-4)


def test_grey_photographs_have_two_deviations_of_zero_and_never_nan():
    grey = np.repeat(photographs(5)[..., :1], 3, axis=-1)
    statistics = Sums.of(grey, side=8).statistics()
    assert isinstance(statistics, InputStatistics)
    assert statistics.deviations[0] > 1
    # eigenvalues of a singular matrix of size 10³ are zero to within float64 rounding
    assert statistics.deviations[1:] == pytest.approx([0, 0], abs=1e-5)


def test_a_variance_that_rounding_makes_negative_is_zero():
    rng = np.random.default_rng(0)
    red, other = rng.integers(0, 256, (2, 4, 8, 8, 1), dtype=np.uint8)
    singular = Sums.of(np.concatenate([red, other, other], axis=-1), side=8).statistics()  # rotations leave -4e-13
    assert singular.eigenvalues[2] == 0 and np.isfinite(singular.deviations).all()


@pytest.mark.parametrize("side", [256, 512])
def test_sums_of_white_photographs_do_not_overflow(side):
    sums = Sums.of([np.full((side, side, 3), 255, dtype=np.uint8)], side)
    assert sums.products.tolist() == [[side**2 * 255**2] * 3] * 3


def test_statistics_of_a_mean_hold_nothing_else():
    image = np.random.default_rng(0).uniform(0, 255, (256, 256, 3))
    statistics = InputStatistics.of_mean(image)
    np.testing.assert_array_equal(statistics.mean_image, image.astype(np.float32))
    assert (statistics.images, statistics.deviations.tolist()) == (0, [0, 0, 0])
    assert {field.name: np.asarray(getattr(statistics, field.name)).dtype for field in fields(statistics)} == {
        field.name: np.asarray(getattr(MEASURED, field.name)).dtype for field in fields(MEASURED)
    }


def test_a_mean_pixel_is_a_constant_image():
    pixel = [123.68, 116.779, 103.939]
    for mean, side in ((InputStatistics.of_mean(pixel), 256), (InputStatistics.of_mean(pixel, 72), 72)):
        assert mean.mean_image.shape == (side, side, 3)
        assert mean.mean_image.flags.c_contiguous
        assert np.unique(mean.mean_image.reshape(-1, 3), axis=0).tolist() == [np.float32(pixel).tolist()]


def test_a_mean_image_is_one_of_photographs_of_its_side():
    statistics = InputStatistics.of_mean(np.zeros((72, 72, 3)), 72)
    statistics.check_side(72)
    with pytest.raises(ConfigError, match=r"\(72, 72, 3\), but photographs of 256 × 256 pixels need one of shape"):
        statistics.check_side(256)
    with pytest.raises(ConfigError, match="photographs of 64 × 64 pixels"):
        statistics.check_side(64)


@pytest.mark.parametrize(
    ("mean", "said"),
    [
        (np.zeros((3, 256, 256)), "not (3, 256, 256)."),
        (np.zeros((227, 227, 3)), "not (227, 227, 3)."),
        (np.float32(117), "not ()."),
        ([104, 117, np.nan], "not (3,) with NaN or infinity in it."),
    ],
)
def test_a_mean_of_another_shape_or_without_numbers_is_refused(mean, said):
    with pytest.raises(ConfigError) as error:
        InputStatistics.of_mean(mean)
    assert str(error.value).endswith(said)
