"""docs/experiments.md, made from the table and the records alone: no number on it is written by hand."""

from collections.abc import Iterable, Iterator, Sequence
from math import comb

from alexnet.experiments.design import ALIKE, APART, EPOCHS, OUTCOMES, TOGETHER, Experiment
from alexnet.experiments.findings import TOLD, Findings, failed, in_order, outcome, time_to
from alexnet.experiments.looks import NEAREST, alike, halves, wrong
from alexnet.experiments.order import best_rate
from alexnet.experiments.records import ErrorsJson, RecordJson, Task
from alexnet.experiments.statistics import fisher, student
from alexnet.experiments.words import sentence, speed

FOREST = "experiments/forest.svg"

HEAD = """# The paper's claims, tried again

Every text on AlexNet repeats what each technique brings; the paper has one run each, and no interval. Here each claim
is a row of [a table](../alexnet/experiments/table.py): arms, outcome, seeds and what was expected were committed before
the first run; where an expectation has a range, or is that nothing can be told, the page says whether it was met.
This page and its pictures are made from [the records](../results/experiments) by
`alexnet experiment --report docs/experiments.md`, and a test makes it again.

- A change is that of the outcome with the technique minus without it, seed by seed; − means lower. Intervals are
  Student's, 95 %, over seeds; from three seeds on. Of several comparisons in one experiment Holm's adjustment decides
  the words.
- A run that diverged, or was at chance in the end, is counted and never dropped.
- A rate is searched for with seeds from 100 on, in steps of two, until the best is not at the edge of its grid.
- All arms of a seed ran on one kind of machine, the seeds of a row perhaps on several; each record names its own.
- Test photographs are met once a run, at its end; and again by the rows that look at networks of other rows, which
  choose nothing by them.
- None of this is the whole of ImageNet. What holds at 24 to 64 pixels and some ten thousand photographs need not hold
  there, nor the other way round.
"""


def page(found: Sequence[Findings]) -> str:
    """The page, of what the records of all experiments say."""
    parts = [HEAD]
    if any(each.results for each in found):
        parts.append(f"![Effects with their intervals, the paper's numbers as hollow marks]({FOREST})\n")
    parts += ["## What is on record\n", _overview(found), "## The benches\n", *_benches(found)]
    return "\n".join([*parts, *(_experiment(each) for each in found)])


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    aligned = ["---:" if name.startswith(">") else "---" for name in columns]
    lines = [[name.removeprefix(">") for name in columns], aligned, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _overview(found: Sequence[Findings]) -> str:
    rows = []
    for each in found:
        row = each.row
        wanted = len(row.seeds) * len(row.all_arms)
        told = f"{len(each.results)} of {wanted}" if each.results else "not run yet"
        met = f"{sum(each.expectations)} of {len(each.expectations)}" if each.expectations else "–"
        rows.append([f"[{row.name}](#{row.name})", _claimed(row), row.outcome, str(len(each.seeds)), told, met])
    return _table(["experiment", "the paper", "outcome", ">whole seeds", ">runs", ">expectations met"], rows)


def _benches(found: Sequence[Findings]) -> Iterator[str]:
    for bench in {each.row.bench.name: each.row.bench for each in found}.values():
        yield f"- `{bench.name}`: {bench.data}. {bench.note} `{bench.prepare}`"


def _claimed(row: Experiment) -> str:
    if row.claim.number is None:
        return row.claim.where
    number = f"{row.claim.number:+g}".replace("-", "−") if row.claim.unit == "points" else f"{row.claim.number:g}"
    return f"{number} {row.claim.unit}, {row.claim.where}"


def _experiment(found: Findings) -> str:
    row = found.row
    parts = [
        f"\n## {row.name}\n",
        f"> {row.claim.text} ({row.claim.where})\n",
        f"{' '.join(filter(None, (f'Bench `{row.bench.name}`; outcome: {OUTCOMES[row.outcome]}.', row.note)))}\n",
        f"Expected, before any run: {row.expectation}\n",
    ]
    if not found.results:
        parts.append(f"Not run yet{_searched(found)}: {_command(row)}\n")
    elif row.outcome == EPOCHS:
        parts += _speeds(found)
    else:
        parts += [f"{sentence(row, effect)}\n" for effect in found.effects]
        parts.append("\n".join(_LOOKS[row.outcome](found)) if row.of else _arms(found))
    parts += list(_rates(found))
    if found.results:
        parts += [*_failures(found), *_again(found), *_times(found)]
    return "\n".join(parts)


def _searched(found: Findings) -> str:
    return f" beyond the search for rates ({len(found.searches)} runs)" if found.searches else ""


def _arms(found: Findings) -> str:
    row, rows = found.row, []
    for arm in row.all_arms:
        runs = [found.results[arm.name, seed] for seed in row.seeds if (arm.name, seed) in found.results]
        if not runs:
            rows.append([f"`{arm.name}`", "0", "–", "–", "–", "–"])
            continue
        told = student([outcome(row, run) for run in runs])
        means = [_mean([run["test"] for run in runs]), _mean([run["train"] for run in runs])]
        spread = f"{told.sd:.2f}" if told.n > 1 else "–"
        rows.append([f"`{arm.name}`", str(told.n), f"{told.mean:.1f}", spread, *means])
    unit = "points" if row.outcome == "gap" else "%"
    return _table(["arm", ">runs", f">{row.outcome}, {unit}", ">SD", ">test error", ">training error"], rows)


def _looked_at(found: Findings) -> Iterator[tuple[str, int, RecordJson, str]]:
    """Arm, seed, record and test error of each look."""
    for arm in found.row.all_arms:
        for seed in found.row.seeds:
            if run := found.results.get((arm.name, seed)):
                yield arm.name, seed, run, _mean([run["test"]])


def _halves(found: Findings) -> Iterator[str]:
    """Figure 3: each network's halves, and how often chance alone has them as far apart, by run and together."""
    rows, by_arm = [], {arm.name: list[float]() for arm in found.row.all_arms}
    for arm, seed, run, error in _looked_at(found):
        told = halves(run)
        cells = ["–"] * 3 if told is None else [f"{100 * told.first:.1f}", f"{100 * told.second:.1f}", _p(told.p)]
        rows.append([f"`{arm}`", str(seed), *cells, error])
        by_arm[arm] += [] if told is None else [told.p]
    yield _table(["arm", ">seed", ">first half, %", ">second half, %", ">p", ">test error"], rows)
    yield "p: the share of random divisions of the kernels into halves that are as far apart.\n"
    for arm, p in by_arm.items():
        if p:
            yield (
                f"`{arm}`: in {sum(each <= TOLD for each in p)} of {len(p)} networks p is at most {TOLD:g}, which one "
                f"in twenty has by chance; together (Fisher) p is {_p(fisher(p))}.\n"
            )


def _neighbours(found: Findings) -> Iterator[str]:
    """Figure 4: each network's neighbours."""
    rows = []
    for _, seed, run, error in _looked_at(found):
        known = [alike(run, "fc7"), alike(run, "pixels")]
        shares = [None if each is None else float(each.mean()) / NEAREST for each in known]
        shares += run.get("numbers", {}).get("chance", [None])
        rows.append([str(seed), *("–" if each is None else f"{100 * each:.1f}" for each in shares), error])
    yield _table([">seed", ">by fc7, %", ">by pixels, %", ">by chance, %", ">test error"], rows)


def _ensembles(found: Findings) -> Iterator[str]:
    """The mean error of all ensembles of each size."""
    records, rows = in_order(found.row, found.results), []
    for size in sorted({1, *(pair.networks for pair in found.row.pairs)}):
        shares = wrong(records, size)
        sets = comb(sum(record["ended"] != "diverged" for record in records), size)
        rows.append([str(size), str(sets), "–" if shares is None else f"{100 * shares.mean():.2f}"])
    yield _table([">networks", ">sets of them", ">test error by ten crops, %"], rows)


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "below 0.0001"


_LOOKS = {APART: _halves, ALIKE: _neighbours, TOGETHER: _ensembles}


def _mean(found: Sequence[ErrorsJson | None]) -> str:
    errors = [100 * each["top1_error"] for each in found if each is not None]
    return f"{sum(errors) / len(errors):.1f} %" if errors else "–"


def _speeds(found: Findings) -> Iterator[str]:
    row = found.row
    first = [each for each in found.speeds if each.level == row.levels[0]]
    for each in first:
        yield f"{speed(row, each)}\n"
    yield f"Epochs to a level of training error, each seed; > means not within {row.cap:g} epochs:\n"
    rows = []
    for arm in row.all_arms:
        runs = [found.results[arm.name, seed] for seed in row.seeds if (arm.name, seed) in found.results]
        cells = [", ".join(_time(row, run, level) for run in runs) or "–" for level in row.levels]
        rows.append([f"`{arm.name}`", *cells])
    yield _table(["arm", *(f">{100 * level:g} %" for level in row.levels)], rows)
    yield "Times faster, geometric mean over seeds:\n"
    pairs = []
    for pair in row.pairs:
        cells = []
        for level in row.levels:
            (of,) = [each for each in found.speeds if each.pair == pair and each.level == level]
            sign = {"exact": "", "at least": "≥ ", "at most": "≤ ", "unknown": "? "}
            cells.append("–" if of.bound is None else f"{sign[of.bound.side]}{of.bound.ratio.mean:.2f}")
        pairs.append([pair.title, *cells])
    yield _table(["pair", *(f">{100 * level:g} %" for level in row.levels)], pairs)
    yield f"![Training error by epochs, seeds thin, mean thick](experiments/{row.name}.svg)\n"


def _time(row: Experiment, run: RecordJson, level: float) -> str:
    time = time_to(run, level)
    return f"> {run['epochs']:.1f}" if time is None else f"{time:.2f}"


def _rates(found: Findings) -> Iterator[str]:
    """The whole grid of rates that were tried."""
    row = found.row
    if not found.searches or not row.search:
        return
    yield (
        f"Rates, by the training error of the last window within {row.search.epochs:g} epochs with seed "
        f"{row.search.seed} (* is taken):\n"
    )

    def look(task: Task) -> RecordJson | None:
        return found.searches.get((task.arm, task.rate or 0.0)) if task.search else None

    rows = []
    for arm in row.all_arms:
        grid = {rate: run for (name, rate), run in sorted(found.searches.items()) if name == arm.name}
        best = best_rate(row, arm, look) if arm.rates else None
        told = [f"{rate:g}: {_last(run)}{' *' if rate == best else ''}" for rate, run in grid.items()]
        rows.append([f"`{arm.name}`", "; ".join(told) or "–"])
    yield _table(["arm", "rate: training error"], rows)


def _last(run: RecordJson) -> str:
    return "diverged" if run["ended"] == "diverged" else f"{100 * run['windows'][-1][1]:.1f} %"


def _failures(found: Findings) -> Iterator[str]:
    bad = [(arm, seed) for (arm, seed), run in sorted(found.results.items()) if failed(run)]
    if bad:
        listed = ", ".join(f"`{arm}` seed {seed}" for arm, seed in bad)
        yield f"Diverged, or at chance in the end: {listed}.\n"
    else:
        yield "No run diverged or was at chance in the end.\n"


def _again(found: Findings) -> Iterator[str]:
    """Which of the networks looked at are not those of the runs on record, and how far the two are apart."""
    if found.again:
        pairs = [
            f"`{arm}` seed {seed}, {_mean([found.results[arm, seed]['test']])} here and {_mean([run['test']])} there"
            for (arm, seed), run in sorted(found.again.items())
        ]
        yield (
            "Some networks were trained again for these looks, and on a GPU the same run does not come to the same "
            f"bits. Their test errors beside those of the runs on record: {'; '.join(pairs)}.\n"
        )


def _times(found: Findings) -> Iterator[str]:
    runs = [*found.results.values(), *found.searches.values()]
    hours = sum(run["seconds"] for run in runs) / 3600
    processor = sum(run["cpu_seconds"] for run in runs) / 3600
    machines = sorted({str(run["environment"].get("gpu") or run["environment"].get("processor")) for run in runs})
    numbers = sorted({str(run["identity"]["dtype"]) for run in runs})
    what = ("look" if found.row.of else "run") + "s" * (len(runs) != 1)
    yield (
        f"{len(runs)} {what}, {hours:.1f} hours by the clock, {processor:.1f} of a processor; {', '.join(numbers)}, "
        f"{'; '.join(machines)}. {_command(found.row)}\n"
    )


def _command(row: Experiment) -> str:
    store = next(word for word in row.bench.prepare.split() if word.endswith(".store"))
    return f"`alexnet experiment {row.name} --data {store} --jobs 2 --threads 1`."
