import math

import numpy as np
import pytest

from alexnet.data.sources.painting import Field, Part
from alexnet.data.sources.things import THINGS

SIDE = 161
X, Y = np.meshgrid(*[np.linspace(-1.25, 1.25, SIDE, dtype=np.float32)] * 2)


def drawn(thing: str, seed: int) -> list[Part]:
    return THINGS[thing](np.random.default_rng(seed), X, -Y)


def outline(parts: list[Part]) -> Field:
    distance: Field = np.min([part.distance for part in parts], axis=0)
    return distance


@pytest.mark.parametrize("thing", THINGS)
def test_a_thing_about_fills_the_circle_of_radius_1(thing: str) -> None:
    for seed in range(20):
        inside = outline(drawn(thing, seed)) < 0
        reach = np.hypot(X, Y)[inside].max()
        assert 0.8 < reach < 1.15
        assert math.hypot(X[inside].mean(), Y[inside].mean()) < 0.4


@pytest.mark.parametrize("thing", THINGS)
def test_outlines_are_distances_near_the_edge(thing: str) -> None:
    step = 2.5 / (SIDE - 1)
    for part in drawn(thing, 3):
        down, across = np.gradient(part.distance, step)
        steep = np.hypot(across, down)[np.abs(part.distance) < step]
        # A slope of 1 is exact; the edge is drawn one pixel wide where it is 1, half a pixel where it is 2.
        assert 0.5 < np.median(steep) < 2


@pytest.mark.parametrize("thing", THINGS)
def test_parts_are_finite_float32_with_three_materials(thing: str) -> None:
    for part in drawn(thing, 4):
        for field in (part.distance, part.relief, part.paint):
            if field is not None:
                assert field.dtype == np.float32
                assert field.shape == X.shape
                assert np.isfinite(field).all()
        if part.paint is not None:
            assert part.paint.min() >= 0
            assert part.paint.max() <= 1
        assert part.tone in (0, 1, 2)


@pytest.mark.parametrize("thing", THINGS)
def test_no_two_of_a_kind_are_alike(thing: str) -> None:
    assert not np.array_equal(outline(drawn(thing, 0)), outline(drawn(thing, 1)))


def test_no_two_kinds_have_the_same_outline() -> None:
    shapes = np.array([outline(drawn(thing, 0)) < 0 for thing in THINGS])
    for one in range(10):
        for other in range(one):
            assert np.mean(shapes[one] ^ shapes[other]) > 0.03
