import sys
from pathlib import Path

import numpy as np
import pytest

from alexnet.data.decode import decode
from alexnet.errors import ImageError

QUARTERS = (Path(__file__).parent / "golden" / "quarters.heic").read_bytes()
"""80×48 pixels in four colours, written by pillow-heif 1.4 with EXIF orientation 6: upright it is 48×80."""


def test_heic_is_read_upright() -> None:
    pytest.importorskip("pi_heif", reason="pi-heif, of the extra heic, is not installed")
    pixels, treatments, orientation, size = decode(QUARTERS, "photograph.HEIC")
    assert size == (48, 80)
    assert orientation == 6
    assert treatments == ("turned upright (EXIF orientation 6)",)
    corners = {(5, 5): (40, 60, 210), (5, -5): (220, 40, 30), (-5, 5): (240, 230, 40), (-5, -5): (30, 200, 60)}
    for corner, colour in corners.items():
        assert np.abs(pixels[corner].astype(int) - colour).max() <= 3  # what its compression costs


def test_where_pi_heif_is_missing_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(ImageError, match=r"HEIC image, which takes pi-heif to read: pip install 'alexnet\[heic\]'"):
        decode(QUARTERS)


def test_a_damaged_heic_is_refused() -> None:
    pytest.importorskip("pi_heif", reason="pi-heif, of the extra heic, is not installed")
    for end in (40, 300, len(QUARTERS) - 40):
        with pytest.raises(ImageError):
            decode(QUARTERS[:end])
