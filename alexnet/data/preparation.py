"""How a photograph becomes what a network takes in: plain facts that a model carries with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, Final, Self

from alexnet.errors import ConfigError, unknown

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "resize": ("shorter", "squash", "torchvision"),
    "interpolation": ("bicubic", "bilinear"),
    "channels": ("RGB", "BGR"),
    "mean_at": ("centre", "crop"),
}
"""What each field of a `Preparation` that is a word may be; the first is the default."""

SIDES: Final = (32, 512)
"""The least and the greatest side of a prepared photograph, in pixels."""

_WORDS = {
    "shorter": "shorter side to {side} pixels, the central {side} × {side} kept",
    "squash": "both sides to {side} pixels, whatever the shape",
    "torchvision": "shorter side to {side} pixels, the longer rounded down, the central {side} × {side} kept",
    "centre": "mean image subtracted; its centre crop from every view",
    "crop": "mean image subtracted; from each view the part where it lies",
}


@dataclass(frozen=True)
class Preparation:
    """What happens to a photograph of any size before the first layer; the default is what this project trains with.

    Values stay on the 0–255 scale and the view is a crop of the network's input size. In order:

    - `resize`: "shorter" makes the shorter side `side` pixels and keeps the central square (paper, section 2, where
      `side` is 256); "torchvision" the same on whole pixels, which moves the picture by half of one at most; "squash"
      makes both sides that long whatever the shape (Caffe). `interpolation` is "bicubic" or "bilinear", both
      antialiased. `side` is from 32 to 512.
    - the mean image is subtracted: its centre crop from every view with `mean_at` "centre" (2012 code); with "crop"
      from each view the part of it where the view lies, mirrored with the view (Caffe). A mean pixel is a constant
      image, for which the two are the same.
    - views are divided by `std`, three numbers in RGB order, unless None.
    - `channels` is the order in which the network takes the colours: "RGB" or "BGR". Photographs, means and `std` are
      RGB all the same.

    Raises ConfigError for a value that is none of these.
    """

    resize: str = "shorter"
    interpolation: str = "bicubic"
    channels: str = "RGB"
    std: tuple[float, float, float] | None = None
    mean_at: str = "centre"
    side: int = 256

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise unknown(f"{name} of a preparation", str(value), known)
        least, greatest = SIDES
        if type(self.side) is not int or not least <= self.side <= greatest:
            raise ConfigError(
                f"The side of prepared photographs must be a whole number of pixels from {least} to {greatest}, not "
                f"{self.side!r}."
            )
        if self.std is None:
            return
        if len(self.std) != 3 or not all(isfinite(value) and value > 0 for value in self.std):
            raise ConfigError(f"The std of a preparation must be three positive numbers (R, G, B), not {self.std}.")

    @property
    def resizing(self) -> dict[str, str | int]:
        """The fields that decide the pixels of a prepared photograph; the others are about views of them."""
        return {"resize": self.resize, "interpolation": self.interpolation, "side": self.side}

    @property
    def stored_bytes(self) -> int:
        """The bytes of a prepared photograph, uint8 RGB (side, side, 3)."""
        return 3 * self.side**2

    @property
    def in_words(self) -> dict[str, str]:
        """The facts for a reader, by what they are about."""
        divided = "" if self.std is None else f"; divided by {', '.join(f'{value:g}' for value in self.std)} (R, G, B)"
        return {
            "resize": f"{_WORDS[self.resize].format(side=self.side)}; {self.interpolation}, antialiased",
            "channels": self.channels,
            "scale": f"0-255{divided}",
            "mean": _WORDS[self.mean_at],
        }

    def to_json(self) -> dict[str, Any]:
        """The preparation as plain JSON types; `from_json` gives it back."""
        return {**asdict(self), "std": None if self.std is None else list(self.std)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The preparation that `to_json` wrote. Raises ConfigError for an unknown field or value."""
        known = [field.name for field in fields(cls)]
        if surplus := sorted(set(plain) - set(known)):
            raise unknown("field of a preparation", surplus[0], known)
        std = plain.get("std")
        if std is not None and not (isinstance(std, list | tuple) and all(isinstance(v, int | float) for v in std)):
            raise ConfigError(f"The std of a preparation must be three positive numbers (R, G, B), not {std!r}.")
        try:
            return cls(**{**plain, "std": None if std is None else tuple(map(float, std))})
        except OverflowError as error:
            raise ConfigError("The std of a preparation must be three numbers that a float can hold.") from error


DEFAULT: Final = Preparation()
"""What this project trains with."""
