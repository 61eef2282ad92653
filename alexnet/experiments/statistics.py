"""What runs with several seeds tell: differences in pairs, ratios, and how far to trust them. S seeds, N photographs.

Seeds are drawn anew in thought: an interval of Student's says where the mean over all seeds lies. The bootstrap draws
seeds and photographs, and so says what another test set might tell as well.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
LEAST = 3  # seeds below which no interval is given
DRAWS = 10_000


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds, and from where to where the true one lies; None where there are too few seeds to say.

    `sd` is the standard deviation of one seed's value, 0 for a single one.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    sd: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes 0, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    def mapped(self, change: Callable[[float], float]) -> "Estimate":
        """Mean and ends changed by a rising function; `sd` stays in the old unit."""
        low, high = (None if end is None else change(end) for end in (self.low, self.high))
        return Estimate(change(self.mean), low, high, self.n, self.sd)


def student_share(t: float, freedom: int) -> float:
    """The share of Student's distribution with so many degrees of freedom that lies between -t and t (t ≥ 0).

    Finite sums: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    term = total = 1.0
    odd = freedom % 2
    for number in range(2 if odd else 1, freedom - 1, 2):
        term *= square * number / (number + 1)
        total += term
    if not odd:
        return sine * total if freedom > 1 else sine
    rest = sine * math.cos(angle) * total if freedom > 1 else 0.0
    return 2 / math.pi * (angle + rest)


def student_quantile(level: float, freedom: int) -> float:
    """The t between whose -t and t a share `level` (0 to 1) of Student's distribution lies, by bisection."""
    low, high = 0.0, 1.0
    while student_share(high, freedom) < level:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_share(middle, freedom) < level else (low, middle)
    return high


def student(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """The mean of one value a seed, with Student's interval from `LEAST` seeds on. Raises ValueError for no value."""
    n = len(values)
    if not n:
        raise ValueError("there is no seed to take a mean of")
    mean = sum(values) / n
    if n == 1:
        return Estimate(mean, None, None, 1, 0.0)
    sd = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    if n < LEAST:
        return Estimate(mean, None, None, n, sd)
    half = student_quantile(level, n - 1) * sd / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n, sd)


def p_value(values: Sequence[float]) -> float:
    """How often seeds that make no difference would give a mean this far from 0, by Student's t; 1 for too few."""
    n = len(values)
    if n < LEAST:
        return 1.0
    mean = sum(values) / n
    sd = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    if not sd:
        return 0.0 if mean else 1.0
    return 1 - student_share(abs(mean) * math.sqrt(n) / sd, n - 1)


def ratio(above: Sequence[float], below: Sequence[float], level: float = LEVEL) -> Estimate:
    """The geometric mean of above / below, in pairs by seed, with Student's interval of the logarithms.

    Values are above 0; `sd` is that of the logarithms.
    """
    logs = [math.log(one / other) for one, other in zip(above, below, strict=True)]
    return student(logs, level).mapped(math.exp)


@dataclass(frozen=True)
class Bound:
    """A ratio of times of which some never came: runs were ended at their cap before.

    Each missing time counts as the cap, so that the true ratio is at least `ratio` where only what stands above
    (`missing_above`) is missing, and at most that where only what stands below is; nothing is known where both are.
    """

    ratio: Estimate
    missing_above: int
    missing_below: int

    @property
    def side(self) -> str:
        """What the ratio says: "exact", "at least", "at most" or "unknown"."""
        if self.missing_above and self.missing_below:
            return "unknown"
        return "at least" if self.missing_above else "at most" if self.missing_below else "exact"


def censored_ratio(
    above: Sequence[float | None], below: Sequence[float | None], caps: tuple[float, float], level: float = LEVEL
) -> Bound:
    """As `ratio`, of times that may be None: a run that had not come there when it ended at its cap.

    `caps` are those of the runs above and below.
    """
    one, other = _filled(above, caps[0]), _filled(below, caps[1])
    return Bound(ratio(one, other, level), above.count(None), below.count(None))


def _filled(times: Sequence[float | None], cap: float) -> list[float]:
    return [cap if time is None else time for time in times]


def bootstrap(
    differences: NDArray[np.number], draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """The ends of the interval of the mean of `differences` (S, N), seeds and photographs drawn anew, crossed.

    A difference is that of two runs on one photograph: 1 where only the first is wrong, -1 where only the second is;
    or any other two numbers that there are few of.
    Photographs whose column is the same are interchangeable, so a draw of N photographs is a draw of how many have
    each of the columns that occur.
    """
    columns, counts = np.unique(differences, axis=1, return_counts=True)
    seeds, images = differences.shape
    rng = np.random.default_rng(seed)
    of_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws)  # (draws, S)
    of_column = rng.multinomial(images, counts / images, draws)  # (draws, columns)
    means = np.einsum("ds,sc,dc->d", of_seed, columns, of_column, optimize=True) / (seeds * images)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def by_division(values: Sequence[float], draws: int = DRAWS, seed: int = 0) -> float:
    """The share of random divisions of values into halves whose means are as far apart as those of the two halves.

    The division that was found is counted among them, so that it is never 0. Raises ValueError for an odd number.
    """
    first, second = np.split(np.asarray(values), 2)
    found = abs(first.mean() - second.mean())
    drawn = np.random.default_rng(seed).permuted(np.tile(values, (draws, 1)), axis=1)  # (draws, values)
    apart = np.abs(drawn[:, : len(first)].mean(1) - drawn[:, len(first) :].mean(1))
    return float((1 + (apart >= found - 1e-12).sum()) / (1 + draws))


def fisher(p_values: Sequence[float]) -> float:
    """How often as many independent p values of no effect would be as small together (Fisher 1925).

    Twice the sum of -ln p is χ² of twice as many degrees of freedom, whose tail is a finite sum. Every p is above 0.
    """
    half = -sum(map(math.log, p_values))
    return math.exp(-half) * sum(half**number / math.factorial(number) for number in range(len(p_values)))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p values adjusted for their number (Holm 1979): those at most 0.05 can be told from 0 together."""
    adjusted: dict[str, float] = {}
    least = 0.0
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda pair: pair[1])):
        least = max(least, min(1.0, (len(p_values) - place) * p))
        adjusted[name] = least
    return {name: adjusted[name] for name in p_values}


def crossing(points: Sequence[tuple[float, float]], level: float) -> float | None:
    """Where a curve first comes down to `level`, between its points in a straight line; None where it never does.

    `points` are (place, value) in the order of places; a curve that begins there crosses at its first point.
    """
    before: tuple[float, float] | None = None
    for place, value in points:
        if value <= level:
            if before is None:
                return place
            return before[0] + (place - before[0]) * (before[1] - level) / (before[1] - value)
        before = place, value
    return None
