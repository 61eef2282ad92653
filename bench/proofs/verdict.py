"""How far two programs are apart, and whether that is too far."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

FAR: Final = 10.0  # tolerances by which things that must differ do


@dataclass(frozen=True)
class Row:
    """One comparison: the largest difference, and what share it is of `scale`, the largest of the other's numbers.

    A `control` compares what must differ. Without numbers the row is a statement that holds or does not.
    """

    what: str
    passes: bool
    shape: tuple[int, ...] = ()
    scale: float | None = None
    absolute: float | None = None
    relative: float | None = None
    tolerance: float | None = None
    control: bool = False


@dataclass(frozen=True)
class Proof:
    """Comparisons with one program, the `witness`; `tolerance` says in words what may differ and why."""

    title: str
    witness: str
    tolerance: str
    rows: Sequence[Row]

    @property
    def passes(self) -> bool:
        """Whether there are comparisons and all of them hold."""
        return bool(self.rows) and all(row.passes for row in self.rows)

    @property
    def worst(self) -> float:
        """The largest relative difference of what is to be alike."""
        return max((row.relative for row in self.rows if row.relative is not None and not row.control), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """The proof as plain JSON types."""
        return {**asdict(self), "passes": self.passes, "worst": self.worst, "rows": [asdict(row) for row in self.rows]}


def alike(what: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float, *, scale: float | None = None) -> Row:
    """Passes when no difference exceeds `tolerance` times `scale`, which is the largest of theirs unless given."""
    row = _measured(what, ours, theirs, tolerance, scale)
    return _judged(row, row.relative is not None and row.relative <= tolerance)


def apart(what: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float) -> Row:
    """A control: passes when the two differ by far more than `tolerance`, so that such a comparison can tell."""
    row = replace(_measured(what, ours, theirs, tolerance, None), control=True)
    return _judged(row, row.relative is not None and row.relative > FAR * tolerance)


def holds(what: str, passes: bool, *, control: bool = False) -> Row:
    """A statement; a control says that two things differ."""
    return Row(what, passes, control=control)


def _measured(what: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float, scale: float | None) -> Row:
    """The row, which does not pass yet; without a difference where there is none to speak of."""
    left, right = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    row = Row(what, False, right.shape, tolerance=tolerance)
    if left.shape != right.shape or not np.isfinite(left).all() or not np.isfinite(right).all():
        return row
    scale = scale or float(np.abs(right).max(initial=0.0))
    if not scale:  # nothing but zeros shows nothing
        return row
    absolute = float(np.abs(left - right).max())
    return replace(row, scale=scale, absolute=absolute, relative=absolute / scale)


def _judged(row: Row, passes: bool) -> Row:
    return replace(row, passes=passes)
