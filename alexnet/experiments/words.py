"""Sentences made of intervals, never written by hand, so that no result gets more words than it has evidence.

A sentence says where it was found, with how many seeds, how large and how sure; what the paper has; and, where an
interval includes 0, what cannot be excluded.
"""

from alexnet.experiments.design import ALIKE, APART, GAP, TEN, TEST, TOGETHER, TRAINING, Experiment
from alexnet.experiments.findings import TOLD, Effect, Speed
from alexnet.experiments.statistics import LEAST, Estimate

FORBIDDEN = ("confirm", "reproduc", "prove", "proof", "significant", "refute")
SUBJECTS = {
    TEST: "the top-1 error",
    TEN: "the top-1 error",
    TRAINING: "the training error",
    GAP: "the gap between test and training error",
    APART: "the distance between the halves' shares of colour",
    ALIKE: "the share of the nearest that are of the same class",
    TOGETHER: "the top-1 error",
}
RISES = (APART, ALIKE)  # of which more is claimed, not less


def place(row: Experiment) -> str:
    """Where the runs were made: "On imagenet20 at 64 pixels"."""
    return f"On {row.bench.data.split(' (')[0]} at {row.bench.input_size} pixels"


def seeds(count: int) -> str:
    """A number of seeds in words."""
    return "1 seed" if count == 1 else f"{count} seeds"


def sentence(row: Experiment, effect: Effect) -> str:
    """What an effect on an error says."""
    found, pair, subject = effect.estimate, effect.pair, SUBJECTS[row.outcome]
    begin = f"{place(row)}, {seeds(found.n)}, {pair.technique}"
    paper = _paper(row, pair.paper)
    if found.low is None or found.high is None:
        said = f"{begin} changes {subject} by {signed(found.mean)} points; below {seeds(LEAST)} no interval is given."
        return " ".join(filter(None, (said, paper, _failures(row, effect))))
    expected = _expected(effect.as_expected)
    over = "" if effect.over == "seeds" else f" over {effect.over}, with these networks,"
    interval = f"95 % interval{over} {signed(found.low)} to {signed(found.high)}"
    if effect.sign:
        verb = "raises" if effect.sign > 0 else "lowers"
        said = f"{begin} {verb} {subject} by {abs(found.mean):.1f} points ({interval})."
        if (effect.sign > 0) != (row.outcome in RISES) and pair.title == row.pairs[0].title:  # that of the claim
            said += f" That is the other direction than the claim's; its setting, {row.claim.setting}, was not run."
        return " ".join(filter(None, (said, paper, expected, _drawn(effect), _failures(row, effect))))
    most = max(abs(end) for end in (found.low, found.high, *(effect.drawn if _drawn(effect) and effect.drawn else ())))
    said = f"{begin} changes {subject} by {signed(found.mean)} points ({interval}): "
    if _beside_others(found.sign, effect.p):
        said += f"{_not_alone(effect.p)} no effect at all cannot be excluded."
    else:
        said += f"with these {effect.over} no effect at all cannot be excluded, nor one of {most:.1f} points."
    if pair.paper is not None:
        inside = found.low <= pair.paper <= found.high
        paper += f" That is {'inside' if inside else 'outside'} this interval."
    said += " This speaks neither for the claim nor against it."
    return " ".join(filter(None, (said, paper, expected, _drawn(effect), _failures(row, effect))))


def speed(row: Experiment, found: Speed) -> str:
    """What a comparison of times to a training error says."""
    pair = found.pair
    if found.bound is None:
        return f"{pair.title}: not run yet."
    n, ratio = len(found.present), found.bound.ratio
    level = f"{100 * found.level:g} % training error"
    begin = f"{place(row)}, {seeds(n)}, {pair.technique}"
    paper = f"The paper has {pair.paper:g} times, one run each." if pair.paper is not None else ""
    missing = _missing(row, found)
    if found.bound.side == "unknown":
        return f"{begin}: neither came to {level} in all runs. {missing}"
    about = {"exact": "", "at least": "at least ", "at most": "at most "}[found.bound.side]
    said = f"{begin} comes to {level} {about}{ratio.mean:.2f} times as fast{_interval(ratio)}."
    if ratio.low is not None and ratio.high is not None and not found.sign and found.bound.side == "exact":
        apart = int(ratio.low > 1) - int(ratio.high < 1)
        said += f" B{_not_alone(found.p)[1:]} equal" if _beside_others(apart, found.p) else " Equal"
        said += " speed cannot be excluded; this speaks neither for the claim nor against it."
    return " ".join(filter(None, (said, missing, paper, _expected(found.as_expected))))


def _beside_others(sign: int, p: float) -> bool:
    """Whether an interval that excludes no effect does so alone, and not beside the experiment's other comparisons."""
    return sign != 0 and p > TOLD


def _not_alone(p: float) -> str:
    return f"beside the other comparisons of this experiment (p {p:.2f} by Holm's adjustment)"


def _missing(row: Experiment, found: Speed) -> str:
    assert found.bound
    parts = [
        f"{count} of {len(found.present)} {_runs(len(found.present))} {which} ended at the cap of "
        f"{row.cap:g} epochs before"
        for count, which in ((found.bound.missing_below, "with it"), (found.bound.missing_above, "without it"))
        if count
    ]
    return f"{' and '.join(parts)}.".capitalize() if parts else ""


def _runs(count: int) -> str:
    return "run" if count == 1 else "runs"


def _interval(ratio: Estimate) -> str:
    if ratio.low is None or ratio.high is None:
        return f" (below {seeds(LEAST)} no interval is given)"
    return f" (95 % interval {ratio.low:.2f} to {ratio.high:.2f})"


def _paper(row: Experiment, number: float | None) -> str:
    return "" if number is None else f"The paper has {signed(number)} points, one run each, on {row.claim.data}."


def _expected(as_expected: bool | None) -> str:
    return {None: "", True: "The expectation was met.", False: "The expectation was not met."}[as_expected]


def _drawn(effect: Effect) -> str:
    """The bootstrap's interval, where it and Student's do not say the same about 0."""
    if effect.drawn is None:
        return ""
    low, high = effect.drawn
    apart = (effect.estimate.sign != 0) != (not low <= 0 <= high)
    if not apart:
        return ""
    return (
        f"Drawn anew over seeds and photographs, the interval is {signed(low)} to {signed(high)}; the words follow "
        "the wider of the two."
    )


def _failures(row: Experiment, effect: Effect) -> str:
    if not effect.failed:
        return ""
    one = effect.failed == 1
    were, count = ("was", "counts") if one else ("were", "count")
    said = f"{effect.failed} of these runs {were} at chance in the end or diverged"
    if row.outcome == TOGETHER:
        return f"{said}; a network that diverged is in no ensemble."
    said += f", and {count} as seen, a network that diverged as 0" if row.of else f", and {count} as chance"
    if effect.without_failed is None:
        return f"{said}; no pair is left without {'it' if one else 'them'}."
    return f"{said}; without {'it' if one else 'them'} the change is {signed(effect.without_failed.mean)} points."


def signed(value: float) -> str:
    """A number of points with its sign: −0.3, +1.2, 0.0."""
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text
