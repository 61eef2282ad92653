"""Every sentence that intervals can make, and the words that no sentence has."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from experimenting import row

from alexnet.experiments import page, words
from alexnet.experiments.design import EPOCHS, GAP, TEST, TRAINING, UNTOLD, Stop
from alexnet.experiments.findings import Effect, Speed
from alexnet.experiments.statistics import Bound, Estimate, student
from alexnet.experiments.table import EXPERIMENTS

ROW = row(seeds=(0, 1, 2))
PAIR = replace(ROW.pairs[0], technique="mirroring", paper=-1.4)
TIMED = replace(ROW, outcome=EPOCHS, levels=(0.25,), stop=Stop(0.25, 8.0))


def effect(*values: float, p: float = 0.01, **changes: object) -> Effect:
    return replace(Effect(PAIR, student(values), None, 0, None, p), **changes)  # type: ignore[arg-type]


def test_an_interval_without_0_gets_a_verb() -> None:
    assert words.sentence(ROW, effect(-1.2, -1.0, -1.4)) == (
        "On Colours at 32 pixels, 3 seeds, mirroring lowers the top-1 error by 1.2 points (95 % interval −1.7 to "
        "−0.7). The paper has −1.4 points, one run each, on ImageNet."
    )


def test_the_papers_number_is_said_to_be_of_its_own_data() -> None:
    row = EXPERIMENTS["lrn-cifar"]
    said = words.sentence(row, effect(1.2, 1.0, 1.4, pair=row.pairs[0]))
    assert "The paper has −2.0 points, one run each, on CIFAR-10." in said
    assert "its setting, the files' 470 epochs and their ten views, was not run" in said


def test_the_other_direction_is_said_with_what_was_not_run() -> None:
    said = words.sentence(ROW, effect(1.2, 1.0, 1.4))
    assert "mirroring raises the top-1 error by 1.2 points" in said
    assert "the other direction than the claim's; its setting, 90 epochs of 1.2 million" in said
    further = replace(PAIR, title="another comparison, which the claim says nothing of")
    assert "other direction" not in words.sentence(ROW, effect(1.2, 1.0, 1.4, pair=further))


def test_an_interval_with_0_says_what_cannot_be_excluded() -> None:
    said = words.sentence(ROW, effect(-1.0, 0.0, 0.4, p=0.6))
    assert "no effect at all cannot be excluded, nor one of 2.0 points" in said
    assert "That is inside this interval." in said and "neither for the claim nor against it" in said
    assert "That is outside this interval." in words.sentence(ROW, effect(-0.1, 0.0, 0.1, p=0.6))


def test_whether_an_expectation_was_met_is_said() -> None:
    for expected, met in (((-2.0, -1.0), True), ((-1.0, 0.0), False), (UNTOLD, False)):
        said = words.sentence(ROW, effect(-1.2, -1.0, -1.4, pair=replace(PAIR, expected=expected)))
        assert said.endswith("The expectation was met." if met else "The expectation was not met.")
    unsure = effect(-1.0, 0.0, 0.4, p=0.6, pair=replace(PAIR, expected=UNTOLD))
    assert words.sentence(ROW, unsure).endswith("The expectation was met.")
    assert "expectation" not in words.sentence(ROW, effect(-1.2, -1.0, pair=replace(PAIR, expected=(-2.0, -1.0))))
    timed = speed(Estimate(2.0, 1.5, 2.6, 3, 0.1))
    assert words.speed(TIMED, replace(timed, pair=replace(PAIR, expected=(1.0, 1.5)))).endswith("was not met.")


def test_an_interval_that_excludes_0_alone_is_not_said_to_include_it() -> None:
    said = words.sentence(ROW, effect(-1.2, -1.0, -1.4, p=0.07))
    assert "changes the top-1 error by −1.2 points (95 % interval −1.7 to −0.7): beside the other comparisons" in said
    assert "(p 0.07 by Holm's adjustment) no effect at all cannot be excluded. This speaks neither" in said
    assert "with these seeds" not in said
    timed = words.speed(TIMED, speed(Estimate(2.0, 1.5, 2.6, 3, 0.1), p=0.07))
    assert "Beside the other comparisons of this experiment (p 0.07 by Holm's adjustment) equal speed cannot" in timed


def test_one_seed_and_two_have_no_interval() -> None:
    for values in ((-1.2,), (-1.2, -1.0)):
        said = words.sentence(ROW, effect(*values, p=1.0))
        assert "below 3 seeds no interval is given" in said and "interval −" not in said
    assert words.sentence(ROW, effect(-1.2)).startswith("On Colours at 32 pixels, 1 seed, mirroring changes")


def test_failures_and_the_wider_interval_are_said() -> None:
    said = words.sentence(ROW, effect(-1.2, -1.0, -1.4, failed=2, without_failed=student([-1.0])))
    assert "2 of these runs were at chance" in said and "without them the change is −1.0 points" in said
    said = words.sentence(ROW, effect(-1.2, -1.0, -1.4, failed=1))
    assert "1 of these runs was at chance in the end or diverged, and counts as chance; no pair is left" in said
    said = words.sentence(ROW, effect(-1.2, -1.0, -1.4, drawn=(-3.0, 0.5)))
    assert "changes the top-1 error" in said and "over seeds and photographs, the interval is −3.0 to +0.5" in said
    assert "no effect at all cannot be excluded, nor one of 3.0 points" in said


def speed(ratio: Estimate, above: int = 0, below: int = 0, p: float = 0.01, n: int = 3) -> Speed:
    pair = replace(PAIR, paper=6.0)
    return Speed(pair, 0.25, (1.0,) * n, (2.0,) * n, Bound(ratio, above, below), p)


def test_speeds_are_times_with_what_never_came() -> None:
    told = Estimate(2.0, 1.5, 2.6, 3, 0.1)
    assert words.speed(TIMED, speed(told)) == (
        "On Colours at 32 pixels, 3 seeds, mirroring comes to 25 % training error 2.00 times as fast (95 % interval "
        "1.50 to 2.60). The paper has 6 times, one run each."
    )
    said = words.speed(TIMED, speed(told, above=2))
    assert "at least 2.00 times" in said and "2 of 3 runs without it ended at the cap of 8 epochs before." in said
    assert "at most 2.00 times" in words.speed(TIMED, speed(told, below=1))
    assert "neither came to 25 % training error in all runs" in words.speed(TIMED, speed(told, above=1, below=1))
    unsure = words.speed(TIMED, speed(Estimate(1.1, 0.8, 1.5, 3, 0.1), p=0.4))
    assert "Equal speed cannot be excluded" in unsure
    single = words.speed(TIMED, speed(Estimate(1.1, None, None, 1, 0.0), n=1, p=1.0))
    assert "1 seed, mirroring" in single and "(below 3 seeds no interval is given)" in single
    assert words.speed(TIMED, replace(speed(told), bound=None)) == "mirrors: not run yet."


def test_no_sentence_says_more_than_an_interval_can() -> None:
    said = [page.HEAD]
    for name in EXPERIMENTS:
        each = EXPERIMENTS[name]
        said += [
            each.expectation,
            each.note,
            each.bench.note,
            each.bench.data,
            *(pair.technique for pair in each.pairs),
        ]
    for outcome, values, paper, failed in itertools.product(
        (TEST, TRAINING, GAP), ((-1.2, -1.0, -1.4), (1.2, 1.0, 1.4), (0.0, 1.0, -1.0), (1.0,)), (None, -1.0), (0, 1)
    ):
        made = effect(*values, pair=replace(PAIR, paper=paper), failed=failed)
        said.append(words.sentence(replace(ROW, outcome=outcome), made))
    for mean, above, below in itertools.product((0.5, 1.0, 2.0), (0, 1), (0, 1)):
        said.append(words.speed(TIMED, speed(Estimate(mean, mean / 1.2, mean * 1.2, 3, 0.1), above, below)))
    for text in said:
        assert not re.search("|".join(words.FORBIDDEN), text, re.IGNORECASE), text
    assert re.search("|".join(words.FORBIDDEN), "This confirms it."), "the pattern finds something"


@pytest.mark.parametrize("value", [0.04, -0.04, 0.0])
def test_nothing_is_neither_plus_nor_minus(value: float) -> None:
    assert "by 0.0 points" in words.sentence(ROW, effect(value, p=1.0))


def test_the_committed_page_has_none_of_the_words() -> None:
    text = (Path(__file__).parents[1] / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert not re.search("|".join(words.FORBIDDEN), text, re.IGNORECASE)
