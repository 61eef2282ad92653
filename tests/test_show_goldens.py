"""Three pictures as they should look: small, and compared with a tolerance that another rasteriser of fonts keeps.

After a change that is meant, `python tests/test_show_goldens.py` writes them anew; look at them before they are kept.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from alexnet.model.variants import variant
from alexnet.show.architecture import architecture
from alexnet.show.confusion import Confusion
from alexnet.show.figures import confusion, filters, sheet
from alexnet.show.filters import Filters

FOLDER = Path(__file__).parent / "golden" / "show"
DPI = 50


def drawn() -> dict[str, Figure]:
    waves = np.sin(np.arange(11)[:, None] * np.linspace(0.2, 2, 24)[:, None, None, None] + np.arange(11) / 3)
    kernels = np.repeat(waves, 3, axis=1).astype(np.float32)
    counts = np.diag([9, 8, 7, 6]) + np.eye(4, k=1, dtype=int) * 2
    return {
        "filters": filters.figure(Filters("paper", "conv1", kernels, 2, "together", np.arange(24) % 2 == 0)),
        "confusion": confusion.figure(
            Confusion("paper", "some.store (test)", ("ash", "birch", "cedar", "fir"), counts)
        ),
        "architecture": sheet.figure_of(architecture(variant("paper"))),
    }


def pixels(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()


@pytest.mark.parametrize("name", ["filters", "confusion", "architecture"])
def test_the_picture_is_as_it_was_looked_at(name: str) -> None:
    found = np.asarray(Image.open(BytesIO(pixels(drawn()[name]))).convert("RGB"), float)
    expected = np.asarray(Image.open(FOLDER / f"{name}.png").convert("RGB"), float)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() <= 2


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn().items():
        (FOLDER / f"{name}.png").write_bytes(pixels(figure))
