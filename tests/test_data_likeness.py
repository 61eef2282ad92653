import numpy as np
from pictures import picture

from alexnet.data.likeness import outline


def test_an_outline_survives_what_a_copy_goes_through_and_not_another_picture() -> None:
    pixels = picture(256, 256, low=20, high=230)
    assert (
        outline(pixels)
        == outline(pixels // 2 + 30)
        == outline(np.minimum(pixels.astype(int) + 9, 255).astype(np.uint8))
    )
    assert outline(pixels) != outline(picture(256, 256, seed=1))
    assert outline(pixels) != outline(pixels[:, ::-1])


def test_its_bits_say_where_it_grows_brighter() -> None:
    steps = np.zeros((64, 64, 3), np.uint8)
    steps[:, 32:] = 200  # the fifth of eight columns is brighter than the fourth
    assert outline(steps) == int.from_bytes(bytes([0b00001000] * 8))


def test_all_colours_count() -> None:
    for colour in range(3):
        steps = np.zeros((64, 64, 3), np.uint8)
        steps[:, 32:, colour] = 200
        assert outline(steps) == int.from_bytes(bytes([0b00001000] * 8))
