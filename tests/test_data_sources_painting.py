import math

import numpy as np
import pytest

from alexnet.data.sources.painting import (
    SIDE,
    Material,
    Part,
    Scene,
    _lightness,
    _shadow,
    clouds,
    colour,
    grit,
    lattice,
    photograph,
    smoothstep,
    soften,
    surface,
)

MATT = Material(colour=(0.2, 0.4, 0.6), gloss=0.0, metal=0.0, texture="plain")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def bare(height: float = 0.0) -> Scene:
    return Scene(np.full((3, SIDE, SIDE), 0.5, np.float32), np.full((SIDE, SIDE), height, np.float32))


def test_clouds_pass_through_a_random_value_per_cell_and_stay_between() -> None:
    field = clouds(rng(), 16, (64, 96))
    nodes = rng().random((5, 7), dtype=np.float32) * 2 - 1  # a cell is 16 pixels
    np.testing.assert_allclose(field[::16, ::16], nodes[:4, :6], atol=1e-6)
    assert field.shape == (64, 96)
    assert np.abs(field).max() <= 1
    assert np.abs(np.diff(field, axis=0)).max() < 2 * 1.5 / 16 + 1e-6  # the steepest smoothstep over the range


def test_lattice_repeats_after_64_and_is_continuous() -> None:
    x = np.linspace(-3, 3, 601, dtype=np.float32)[None]
    y = np.full_like(x, 0.3)
    field = lattice(rng(), x, y)
    # 64 more moves a point by up to four millionths, the rounding of float32 there.
    np.testing.assert_allclose(field, lattice(rng(), x + 64, y - 64), atol=1e-4)
    assert np.abs(np.diff(field)).max() < 0.04
    assert np.abs(field).max() <= 1


def test_grit_is_rougher_when_octaves_are_kept() -> None:
    smooth, rough = (grit(rng(), roughness=share) for share in (0.2, 0.9))
    assert np.abs(np.diff(rough)).mean() > 1.5 * np.abs(np.diff(smooth)).mean()


def test_soften_is_two_box_means() -> None:
    field = rng().random((7, 9)).astype(np.float32)
    expected = field.astype(np.float64)
    for _ in range(2):
        wide = np.pad(expected, 2, mode="edge")
        expected = np.array([[wide[i : i + 5, j : j + 5].mean() for j in range(9)] for i in range(7)])
    np.testing.assert_allclose(soften(field, 2), expected, atol=1e-5)  # sums of a dozen float32


def test_smoothstep_rises_from_low_to_high_whichever_is_larger() -> None:
    at = np.array([-1, 0, 0.5, 1, 2], np.float32)
    np.testing.assert_allclose(smoothstep(at, 0, 1), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(smoothstep(at, 1, 0), [1, 1, 0.5, 0, 0])


def test_a_colour_differs_in_lightness_from_what_it_must_differ_from() -> None:
    for seed in range(50):
        ground = colour(rng(seed))
        main = colour(rng(1000 + seed), unlike=(ground,), by=0.2)
        assert all(0 <= channel <= 1 for channel in main)
        assert abs(_lightness(main) - _lightness(ground)) >= 0.2


def test_a_part_covers_its_inside_and_leaves_the_rest() -> None:
    scene, untouched = bare(height=2), bare(height=2)
    at = np.arange(SIDE, dtype=np.float32)
    x, y = np.broadcast_to(at - 128, (SIDE, SIDE)), np.broadcast_to((128 - at)[:, None], (SIDE, SIDE))
    away = np.hypot(x, y)
    whole = (slice(None), slice(None))
    scene.lay(rng(), [Part(away - 50, edge=10.0, lift=3.0)], [MATT], whole, x, y, 1)
    outside, inside = away > 51, away < 39
    np.testing.assert_array_equal(scene.albedo[:, outside], untouched.albedo[:, outside])
    np.testing.assert_array_equal(scene.height[outside], 2)
    np.testing.assert_allclose(scene.height[inside], 2 + 3 + 10)  # the floor, the lift, the rounding's full height
    for plane, value in zip(scene.albedo, MATT.colour, strict=True):
        assert plane[inside].mean() == pytest.approx(value, rel=0.05)  # plain paint varies by six per cent
    assert scene.across[128, 80] > 0.2  # rising to the right on the left edge ...
    assert scene.across[128, 176] < -0.2  # ... and falling on the right one
    assert scene.down[80, 128] > 0.2


def test_a_post_casts_its_shadow_away_from_the_sun_only() -> None:
    height = np.zeros((SIDE, SIDE), np.float32)
    height[120:136, 120:136] = 20
    free = _shadow(height, across=1.0, down=0.0, rise=1.0)
    assert free[128, 112] < 0.1  # behind it, within its height's length
    assert free[128, 80] > 0.95  # beyond the end of the shadow
    assert free[128, 146] > 0.95  # on the sun's side
    assert free[100, 128] > 0.95  # beside it
    np.testing.assert_allclose(_shadow(np.zeros_like(height), 1.0, 0.0, 1.0), 1)


def test_a_flat_even_surface_is_photographed_evenly() -> None:
    picture = photograph(rng(), bare())
    assert (picture.shape, picture.dtype) == ((SIDE, SIDE, 3), np.uint8)
    middle = picture[64:192, 64:192].astype(float).mean(axis=2)
    assert middle.std() < 0.06 * 255  # noise, and a little vignetting
    assert middle.mean() > 50


def test_brightness_of_the_scene_does_not_reach_the_picture() -> None:
    dim, bright = bare(), bare()
    dim.albedo *= 0.25
    one, other = (photograph(rng(3), scene).astype(int) for scene in (dim, bright))
    assert np.abs(one - other).max() <= 1  # rounding


def test_surfaces_are_positive_and_calm() -> None:
    for seed in range(24):
        scene, main = surface(rng(seed))
        assert scene.albedo.dtype == scene.height.dtype == np.float32
        assert scene.albedo.shape == (3, SIDE, SIDE)
        assert scene.albedo.min() > -0.05
        assert np.isfinite(scene.height).all()
        mean = tuple(scene.albedo.mean(axis=(1, 2), dtype=np.float64).tolist())
        assert math.dist(mean, main) < 0.5
