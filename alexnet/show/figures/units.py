"""What moves units: a row a unit, the parts of photographs that it answers to most strongly."""

from matplotlib.figure import Figure

from alexnet.show.figures.sheet import GREY, LIGHT, MARGIN, Sheet
from alexnet.show.units import Units

TILE, GAP, LINE, LABEL = 0.8, 0.08, 0.15, 0.75


def figure(units: Units) -> Figure:
    """The strongest on the left, each with the unit's value; a unit that nothing moves says so."""
    most = max([*(len(seen) for _, seen in units.units), 4])
    row = TILE + LINE + GAP
    caption = (
        f"Of {units.images:,} photographs of {units.of} those that move a unit most, cut to what its strongest place "
        "sees (its receptive field, at the border less of it). Beneath each the unit's value."
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
    return sheet.figure
