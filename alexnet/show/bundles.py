"""Curves of many runs, some of a kind: each thin, the mean of a kind thick. A bundle's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Bundle:
    """The runs of a kind: (x, y) points each, in the order of x, all with the same x as far as they go."""

    name: str
    runs: Sequence[Points]

    def mean(self) -> list[tuple[float, float]]:
        """The mean over the runs as far as all of them go."""
        return [
            (places[0][0], sum(y for _, y in places) / len(places))
            for places in zip(*self.runs, strict=False)
            if places
        ]


@dataclass(frozen=True)
class Bundles:
    """Panels beneath each other, each with bundles that are to be compared; levels are lines across."""

    title: str
    caption: str
    panels: Sequence[tuple[str, Sequence[Bundle]]]
    levels: Sequence[float] = ()
    x: str = "epoch"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        panels = [
            {
                "title": title,
                "bundles": [{"name": each.name, "runs": [list(run) for run in each.runs]} for each in held],
            }
            for title, held in self.panels
        ]
        return {"x": self.x, "levels": list(self.levels), "panels": panels}
