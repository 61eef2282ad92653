"""Effects with their intervals beneath each other, beside the numbers that others gave: a forest plot's numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Branch:
    """One effect: its mean, where it may lie (None: no interval), from how many runs, and another's number for it."""

    label: str
    mean: float
    low: float | None
    high: float | None
    n: int
    other: float | None = None


@dataclass(frozen=True)
class Forest:
    """Effects in one unit, and what is to be said of them."""

    title: str
    caption: str
    unit: str
    branches: Sequence[Branch]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"unit": self.unit, "branches": [asdict(branch) for branch in self.branches]}
