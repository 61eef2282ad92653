"""What moves units: a row a unit, the parts of photographs that it answers to most strongly."""

import numpy as np
from matplotlib.figure import Figure

from alexnet.show.figures.sheet import GREY, LIGHT, MARGIN, Sheet
from alexnet.show.units import Units

TILE, GAP, LINE, LABEL = 0.8, 0.08, 0.15, 0.75


def figure(units: Units) -> Figure:
    """The strongest on the left, each with the unit's value; a unit that nothing moves says so."""
    most = max([*(len(seen) for _, seen in units.units), 4])
    traced = any(each.pattern is not None for _, seen in units.units for each in seen)
    row = TILE + LINE + GAP + (TILE + GAP) * traced
    caption = (
        f"Of {units.images:,} photographs of {units.of} those that move a unit most, cut to what its strongest place "
        "sees (its receptive field, at the border less of it). Beneath each the unit's value."
    )
    if traced:
        caption += (
            " And what in it the unit answered to, its value sent back by a deconvnet: grey is nothing, brighter and "
            "darker what it adds and takes away, each on a scale of its own."
        )
    page = 2 * MARGIN + LABEL + most * (TILE + GAP) - GAP
    sheet = Sheet(page, len(units.units) * row, f"What moves units of {units.stage} in {units.model}", caption)
    for number, (unit, seen) in enumerate(units.units):
        y = number * row
        sheet.text(MARGIN, y + TILE / 2 - 0.08, f"unit {unit}", 8.0)
        if not seen:
            sheet.text(
                MARGIN + LABEL, y + TILE / 2 - 0.08, "nothing moves it: 0 for every photograph", 8.0, colour=GREY
            )
        for place, each in enumerate(seen):
            x = MARGIN + LABEL + place * (TILE + GAP)
            height, width = each.part.shape[:2]
            scale = TILE / max(height, width)
            sheet.image(each.part, x, y, width * scale, height * scale, smooth=True, frame=LIGHT)
            sheet.text(x, y + TILE + 0.01, f"{each.value:.3g}", 7.0, colour=GREY)
            if each.pattern is not None:
                pixels = np.asarray((127.5 + 127.5 * each.pattern).round(), np.uint8)
                sheet.image(pixels, x, y + TILE + LINE + 0.02, width * scale, height * scale, smooth=True, frame=LIGHT)
    return sheet.figure
