"""All pictures as they should look: small, and compared with a tolerance that another rasteriser of fonts keeps.

After a change that is meant, `python tests/test_show_goldens.py` writes them anew; look at them before they are kept.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from alexnet.evaluation.answers import Answer
from alexnet.model.variants import variant
from alexnet.show.architecture import architecture
from alexnet.show.confusion import Confusion
from alexnet.show.curves import Curve, Curves
from alexnet.show.figures import (
    confusion,
    curves,
    errors,
    filters,
    maps,
    neighbours,
    predictions,
    saliency,
    sheet,
    units,
)
from alexnet.show.filters import Filters
from alexnet.show.maps import Maps, StageMaps
from alexnet.show.neighbours import Neighbour, Neighbours
from alexnet.show.predictions import Answered, Errors, Predictions
from alexnet.show.saliency import Heat, Saliency
from alexnet.show.units import Seen, Units

FOLDER = Path(__file__).parent / "golden" / "show"
DPI = 50
CLASSES = ("ash", "birch", "cedar", "fir", "larch")
NAMES = (
    "architecture", "confusion", "curves", "errors", "filters", "maps", "neighbours", "predictions", "saliency",
    "units",
)  # fmt: skip


def photograph(number: int) -> np.ndarray:
    """Coloured rings (64, 64, 3)."""
    down, across = np.mgrid[-1:1:64j, -1:1:64j]
    rings = np.cos((4 + number) * np.hypot(down, across - 0.2 * number))[..., None] * [1.0, 0.5, -0.8]
    return np.asarray(127 + 100 * rings, np.uint8)


def answered(number: int) -> Answered:
    shares = (0.72, 0.2, 0.05, 0.02, 0.01)
    answers = tuple(
        Answer(CLASSES[(number + place) % 5], "", (number + place) % 5, shares[place]) for place in range(5)
    )
    return Answered(f"tree/{number}.jpg", photograph(number), answers, answers[number % 3])


def seen(number: int) -> Seen:
    return Seen(f"{number}.jpg", 9.5 - number, (0, 0, 64, 64), photograph(number))


def numbers() -> dict[str, object]:
    """What the pictures are of."""
    waves = np.sin(np.arange(11)[:, None] * np.linspace(0.2, 2, 24)[:, None, None, None] + np.arange(11) / 3)
    kernels = np.repeat(waves, 3, axis=1).astype(np.float32)
    counts = np.diag([9, 8, 7, 6]) + np.eye(4, k=1, dtype=int)[:4, :4] * 2
    hill = np.exp(-(np.hypot(*np.mgrid[-2:2:9j, -2:2:9j]) ** 2))
    planes = np.stack([hill * (3 - number) for number in range(4)]).astype(np.float32)
    signed = (planes - 1).astype(np.float32)
    stages = (
        StageMaps("relu1", (8, 9, 9), np.array([5, 2, 7, 0]), planes, planes.max((1, 2)), 3, 0.0, 3.0),
        StageMaps("conv2", (8, 9, 9), np.array([5, 2, 7, 0]), signed, signed.max((1, 2)), 0, -1.0, 2.0),
    )
    columns: dict[str, tuple[float | None, ...]] = {
        "val_top1_error": (0.8, 0.5, 0.4), "train_error": (0.9, 0.6, 0.45), "val_top5_error": (0.4, 0.2, 0.1),
        "val_loss": (2.0, 1.5, 1.2), "train_loss": (2.3, 1.6, 1.1), "lr": (0.01, 0.01, 0.001),
    }  # fmt: skip
    near = tuple(
        Neighbour(row, f"{row}.jpg", CLASSES[row], 4.5 + row, photograph(row) if row else None) for row in range(4)
    )
    entries = tuple(answered(number) for number in range(4))
    heats = (Heat("gradient", hill), Heat("gradcam", hill[::2, ::2]), Heat("occlusion", np.zeros((5, 5))))
    return {
        "filters": Filters("paper", "conv1", kernels, 2, "together", np.arange(24) % 2 == 0, np.arange(24)),
        "confusion": Confusion("paper", "some.store (test)", CLASSES[:4], counts),
        "curves": Curves((Curve("one", "a", 100, (1, 2, 3), columns),), "epoch", ("error", "loss"), 50.0),
        "errors": Errors("paper", "some.store (test)", 50, 2, entries[1:3]),
        "maps": Maps("paper", "tree.jpg", photograph(0), stages),
        "neighbours": Neighbours("relu7", "euclidean", "some.features", 40, (("a.jpg", photograph(9), near),)),
        "predictions": Predictions("paper", "4 photographs of some.store (test)", entries),
        "saliency": Saliency("paper", "tree.jpg", photograph(1), (4, 4, 60, 60), "larch", 0.72, 32, heats),
        "units": Units("paper", "relu5", "some.store (test)", 40, ((3, tuple(map(seen, range(5)))), (8, ()))),
    }


def drawn() -> dict[str, Figure]:
    """All of them, laid out."""
    figures = {
        "confusion": confusion, "curves": curves, "errors": errors, "filters": filters, "maps": maps,
        "neighbours": neighbours, "predictions": predictions, "saliency": saliency, "units": units,
    }  # fmt: skip
    made = {name: figures[name].figure(of) for name, of in numbers().items()}
    return {**made, "architecture": sheet.figure_of(architecture(variant("paper")))}


def pixels(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_is_as_it_was_looked_at(name: str) -> None:
    found = np.asarray(Image.open(BytesIO(pixels(drawn()[name]))).convert("RGB"), float)
    expected = np.asarray(Image.open(FOLDER / f"{name}.png").convert("RGB"), float)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() <= 2


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn().items():
        (FOLDER / f"{name}.png").write_bytes(pixels(figure))
