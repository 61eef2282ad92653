"""Effects with their intervals beneath each other, beside the numbers that others gave: a forest plot's numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Branch:
    """One effect: its mean, where it may lie (None: no interval), from how many runs, and another's number for it.

    `bound` says that the true one is "at least" or "at most" the mean.
    """

    label: str
    mean: float
    low: float | None
    high: float | None
    n: int
    other: float | None = None
    bound: str = ""


@dataclass(frozen=True)
class Panel:
    """Effects in one unit; `neutral` is no effect, 0 for differences, 1 for ratios, which have a logarithmic scale."""

    unit: str
    branches: Sequence[Branch]
    neutral: float = 0.0


@dataclass(frozen=True)
class Forest:
    """Panels beneath each other, and what is to be said of them."""

    title: str
    caption: str
    panels: Sequence[Panel]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"panels": [asdict(panel) for panel in self.panels]}
