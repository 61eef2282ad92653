"""Dark pages: every colour that is drawn is readable there, and pictures of photographs stay as they are."""

import numpy as np
import pytest
from layouts import check_layout
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from test_show_goldens import drawn

from alexnet.model.variants import variant
from alexnet.show.architecture import architecture
from alexnet.show.dark import dark, darkened
from alexnet.show.drawing import Label, to_svg
from alexnet.show.figures.sheet import BLUE, GREY, INK, LINES, ORANGE, TEAL, darken


def luminance(colour: str | tuple[float, float, float]) -> float:
    """Relative luminance, Web Content Accessibility Guidelines 2."""
    parts = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in to_rgb(colour)]
    return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [INK, GREY, BLUE, ORANGE, TEAL, *LINES])
def test_what_is_read_on_white_is_read_on_dark(colour: str) -> None:
    assert contrast(dark(colour), dark("#ffffff")) >= 4.5
    assert luminance(dark("#ffffff")) < 0.02


@pytest.mark.parametrize("name", list(drawn()))
def test_texts_of_a_dark_picture_are_light_and_images_as_before(name: str) -> None:
    light, turned = drawn()[name], drawn()[name]
    darken(turned)
    check_layout(turned)
    assert luminance(turned.get_facecolor()[:3]) < 0.02
    before, after = (figure.findobj(AxesImage) for figure in (light, turned))
    assert all(np.array_equal(one.get_array(), other.get_array()) for one, other in zip(before, after, strict=True))
    if name == "confusion":  # whose numbers stand on squares of all shades
        return
    for text in shown(turned):
        assert contrast(text.get_color(), dark("#ffffff")) >= 4.5, text.get_text()


def shown(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text().strip()]


def test_the_architecture_is_dark_in_svg_too() -> None:
    drawing = darkened(architecture(variant("paper")))
    assert f'fill="{dark("#ffffff")}"' in to_svg(drawing)
    assert "#ffffff" not in to_svg(drawing)
    for shape in drawing.shapes:
        if isinstance(shape, Label):
            assert contrast(shape.colour, drawing.background) >= 4.5
