"""Where the texts of a figure are, for tests of its layout."""

from itertools import combinations

from matplotlib.backend_bases import DrawEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in _shown(figure)]


def check_layout(figure: Figure) -> None:
    """No text covers another, none leaves the page, in coarse pixels as in fine ones."""
    for dpi in (60, 72, 100):
        figure.set_dpi(dpi)
        _check_drawn(figure)


def _check_drawn(figure: Figure) -> None:
    page, boxes = figure.bbox, drawn_boxes(figure)
    for words, box in boxes:
        assert box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1, words
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across <= 0.5 or down <= 0.5, f"{one!r} and {other!r} overlap"


def drawn_boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Each text with the pixels that it takes as it is drawn."""
    boxes: list[tuple[str, Bbox]] = []

    def measure(drawn: DrawEvent) -> None:  # while the figure is being drawn, so under its own settings
        boxes.extend((text.get_text(), text.get_window_extent(drawn.renderer)) for text in _shown(figure))

    canvas = FigureCanvasAgg(figure)
    canvas.mpl_connect("draw_event", measure)
    canvas.draw()
    return boxes


def _shown(figure: Figure) -> list[Text]:
    found: list[Text] = []
    for axes in figure.axes:
        found += axes.texts
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            found += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text for text in found if text.get_text().strip()]
