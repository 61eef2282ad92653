"""What speaks for a class: the photograph, and a panel a method over it in grey."""

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alexnet.show.figures.sheet import GREY, INK, LIGHT, MARGIN, ORANGE, Sheet, grey_to_rgb
from alexnet.show.saliency import UNITS, Heat, Saliency

PANEL, GAP = 2.5, 0.25
HOT = np.array([230, 80, 0])
TITLES = {"gradient": "gradient", "gradcam": "Grad-CAM", "occlusion": "occlusion"}


def figure(saliency: Saliency) -> Figure:
    """The photograph with the network's view outlined, then the panels; each has its scale beneath."""
    panels = 1 + len(saliency.heats)
    title = f"What speaks for “{saliency.category}” in {saliency.image}"
    caption = (
        f"{saliency.model} gives this class {100 * saliency.share:.1f} %. The more orange a place, the more the class "
        "hangs on it; each method has its own unit and scale, so colours of two panels do not compare."
    )
    page = panels * (PANEL + GAP) - GAP + 2 * MARGIN
    sheet = Sheet(page, PANEL + 0.85, title, caption, [saliency.category, saliency.image])
    side = saliency.square.shape[0]
    left, top, right, bottom = (edge * PANEL / side for edge in saliency.box)
    sheet.text(MARGIN, 0, "the photograph", bold=True)
    y = 0.2
    sheet.image(saliency.square, MARGIN, y, PANEL, PANEL, smooth=True, frame=LIGHT)
    sheet.frame(MARGIN + left, y + top, right - left, bottom - top, ORANGE)
    sheet.text(MARGIN, y + PANEL + 0.06, "outlined: what the network was shown", 7.5, colour=GREY)
    a, b, c, d = saliency.box
    crop = saliency.square[b:d, a:c]
    for number, heat in enumerate(saliency.heats, 1):
        x = MARGIN + number * (PANEL + GAP)
        sheet.text(x, 0, _heading(heat, saliency), bold=True)
        sheet.image(_over(crop, heat), x, y, PANEL, PANEL, smooth=True, frame=LIGHT)
        if heat.empty:
            sheet.text(x, y + PANEL + 0.06, "Nothing speaks for this class here.", 8.0, colour=INK)
            continue
        ramp = np.repeat(np.linspace(0, 1, 128)[None], 2, axis=0)
        sheet.image(_blend(np.full((2, 128), 0.75), ramp), x, y + PANEL + 0.06, PANEL, 0.1, smooth=True, frame=LIGHT)
        sheet.text(x, y + PANEL + 0.2, "0", 7.5, colour=GREY)
        sheet.text(x + PANEL, y + PANEL + 0.2, f"{heat.values.max():.3g}", 7.5, align="right", colour=GREY)
        sheet.text(x + PANEL / 2, y + PANEL + 0.34, UNITS[heat.method], 7.5, align="center", colour=GREY)
    return sheet.figure


def _heading(heat: Heat, saliency: Saliency) -> str:
    detail = f", window of {saliency.window} pixels" if heat.method == "occlusion" else ""
    return f"{TITLES[heat.method]}{detail}"


def _over(crop: NDArray[np.uint8], heat: Heat) -> NDArray[np.uint8]:
    """The view in pale grey, the method's values above it."""
    grey = 0.35 + 0.6 * crop.mean(2) / 255
    if heat.empty:
        return grey_to_rgb(grey)
    values = torch.from_numpy(heat.values / heat.values.max())[None, None]
    edges = heat.method == "occlusion"  # its first and last windows are centred on the edges
    shares = F.interpolate(values, grey.shape, mode="bilinear", align_corners=edges)[0, 0]
    return _blend(grey, shares.numpy())


def _blend(grey: NDArray[np.floating], shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    share = np.clip(shares, 0, 1)[..., None]
    return np.asarray((255 * grey[..., None] * (1 - share) + HOT * share).round(), np.uint8)
