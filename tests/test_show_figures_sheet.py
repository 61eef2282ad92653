import pytest
from layouts import drawn_boxes

from alexnet.show.figures.sheet import MARGIN, Sheet

WORDS = "Strongest maps first, as they were counted from the first to the last of this stage of the network. "


@pytest.mark.parametrize("dpi", [60, 72, 90, 150])
def test_texts_keep_to_their_room_at_any_resolution(dpi: int) -> None:
    sheet = Sheet(6, 1, "Illinois willow minimum " * 6, WORDS * 4)
    sheet.text(MARGIN, 0.1, "illicit million lilliput " * 9, room=2.0)
    sheet.figure.set_dpi(dpi)
    *page, cut = drawn_boxes(sheet.figure)
    assert max(box.x1 for _, box in page) <= (6 - MARGIN) * dpi + 1
    assert cut[1].x1 <= (MARGIN + 2.0) * dpi + 1
