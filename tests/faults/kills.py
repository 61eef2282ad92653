"""Kills of a job's processes: at random moments, at the appearance of a name, and while workers start."""

import random
from collections.abc import Callable
from functools import partial

from faults.processes import descendants, kill
from faults.trials import Trials

WORKERS = "prepare in workers"  # the job that has some
WHOM = ("worker", "starting worker", "parent", "starting parent", "group", "starting group")
STARTING = 0.6  # seconds from the first worker's birth in which they start


def kills(
    trials: Trials, names: list[str], count: int, rng: random.Random, lane: int = 0, lanes: int = 1
) -> list[Callable[[], None]]:
    """So many trials: each name that appears, as far as half of them go, and the rest at random moments.

    Of several lanes, each takes every so manieth.
    """
    for name in names:
        trials.begin(name)
    named = [(name, k) for name in names for k in range(1 + lane, 1 + trials.calls[name]["appear"], lanes)]
    count = len(range(lane, count, lanes))
    named = rng.sample(named, min(len(named), count // 2))
    todo: list[Callable[[], None]] = [partial(_at_a_name, trials, *each) for each in named]
    at_random = [(name, whom) for whom in ("parent", "group") for name in names if name != WORKERS]
    of_workers = [(WORKERS, whom) for whom in WHOM] if WORKERS in names else []
    for number in range(count - len(named)):  # every second where there are workers
        kinds = of_workers if not at_random or (of_workers and number % 2 == 0) else at_random
        kinds.append(kinds.pop(0))
        todo.append(partial(_at_a_moment, trials, *kinds[-1], rng.random()))
    return todo


def _at_a_name(trials: Trials, name: str, k: int) -> None:
    """The process is killed by the library, as soon as the k-th new file or folder is there."""
    trials.begin(name)
    trials.armed(name, "appear", k, 0)
    trials.again(name, f"a kill when name {k} appeared")
    trials.count("kills", "when a name appears")


def _at_a_moment(trials: Trials, name: str, whom: str, share: float) -> None:
    """A kill at that share of the time that the job takes, or of the time that its workers take to start."""
    starting = whom.startswith("starting ")
    of_worker = whom.endswith("worker")
    for _ in range(6):  # sooner, if the job had ended by then
        trials.begin(name)
        hit = _Kill(whom.removeprefix("starting "), share * (STARTING if starting else trials.lasts[name]), starting)
        status, words = trials.work(name, hit)
        if hit.done:
            break
        share *= 0.6
    if hit.done and of_worker and status not in (0, 10):
        trials.wrong(f"the death of a worker ends {name} with {status}: {words}")
    trials.again(name, f"a kill of the {whom}")
    if hit.done:
        trials.count("kills", f"of the {whom}")


class _Kill:
    """Kills once, after so many seconds; from the birth of the first worker on if that is `starting`."""

    def __init__(self, whom: str, after: float, starting: bool) -> None:
        self.whom, self.after, self.starting = whom, after, starting
        self.done = False
        self._born: float | None = None

    def __call__(self, process: int, seconds: float) -> None:
        """What `fork` calls time and again."""
        if self.done or (not self.starting and seconds < self.after):
            return
        workers = descendants(process) if self.starting or self.whom != "parent" else []
        if self.starting:
            if not workers:
                return
            self._born = seconds if self._born is None else self._born
            if seconds < self._born + self.after:
                return
        if self.whom == "worker" and not workers:
            return
        whom = {"parent": [process], "group": [process, *workers], "worker": workers[-1:]}[self.whom]
        kill(*whom)
        self.done = True
