"""What looks at networks say: effects, sentences and tables, from records made up for the purpose."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experimenting import looked, record, row
from printed import table

from alexnet.experiments import words
from alexnet.experiments.design import ALIKE, APART, BASE, TOGETHER, Pair
from alexnet.experiments.findings import findings
from alexnet.experiments.page import page
from alexnet.experiments.records import Task, write_record
from alexnet.experiments.statistics import bootstrap, by_division, fisher, student

PAIR = Pair("two towers, not one", "having two towers", BASE, "mirror=false")
APART_ROW = row(name="apart", of="small", outcome=APART, seeds=(0, 1, 2), pairs=(PAIR,))
WITHIN = Pair("by fc7, not by pixels", "looking by fc7", BASE, BASE)
ALIKE_ROW = replace(APART_ROW, name="near", outcome=ALIKE, arms=(), pairs=(WITHIN,))
JOINED = (
    Pair("3 networks, not 1", "averaging three networks", BASE, BASE, -2.6, networks=3),
    Pair("2 networks, not 1", "averaging two networks", BASE, BASE, networks=2),
)
TOGETHER_ROW = replace(ALIKE_ROW, name="joined", outcome=TOGETHER, pairs=JOINED)


def colour(first: float, second: float) -> dict[str, dict[str, list[float]]]:
    """Eight kernels, whose halves have these mean shares, a little apart from each other."""
    little = np.array([-0.003, -0.001, 0.001, 0.003])
    return {"numbers": {"colour": [*(first + little), *(second + little)]}}


def near(fc7: str, pixels: str) -> dict[str, dict[str, object]]:
    return {"counts": {"fc7": fc7, "pixels": pixels}, "numbers": {"chance": [0.1]}}


def joined(*texts: str) -> dict[str, dict[str, str]]:
    """Counts of wrong ensembles of 1, 2, 3 networks."""
    return {"counts": {str(size): text for size, text in enumerate(texts, 1)}}


def test_towers_are_further_apart_than_any_halves_by_so_many_points(tmp_path: Path) -> None:
    two = [colour(0.4, 0.6), colour(0.65, 0.4), colour(0.5, 0.7)]
    one = [colour(0.5, 0.51), colour(0.52, 0.5), colour(0.5, 0.5)]
    looked(tmp_path, APART_ROW, {"base": two, "mirror=false": one})
    found = findings(APART_ROW, tmp_path)
    (effect,) = found.effects
    wanted = student([20.0 - 1.0, 25.0 - 2.0, 20.0 - 0.0])
    assert (effect.estimate.mean, effect.estimate.low) == pytest.approx((wanted.mean, wanted.low))
    assert effect.sign == 1 and effect.drawn is None and found.seeds == [0, 1, 2]
    said = words.sentence(APART_ROW, effect)
    assert "raises the distance between the halves' shares of colour by 20.7 points" in said
    assert "other direction" not in said
    text = page([found])
    p = by_division(two[0]["numbers"]["colour"])
    assert table(text, "arm")[0] == ["`base`", "0", "40.0", "60.0", f"{p:.4f}", "30.0 %"]
    ps = [by_division(each["numbers"]["colour"]) for each in two]
    assert "`base`: in 3 of 3 networks p is at most 0.05" in text and f"together (Fisher) p is {fisher(ps):.4f}" in text
    assert "`mirror=false`: in 2 of 3 networks" in text


def test_neighbours_are_compared_within_a_network(tmp_path: Path) -> None:
    looks = [near("6543" * 10, "1111" * 10), near("6663" * 10, "1111" * 10), near("5553" * 10, "1111" * 10)]
    looked(tmp_path, ALIKE_ROW, {"base": looks})
    found = findings(ALIKE_ROW, tmp_path)
    (effect,) = found.effects
    assert effect.estimate.mean == pytest.approx(100 * (3.5 + 4.25 + 3.5) / 3 / 6) and effect.sign == 1
    counts = [[5, 4, 3, 2] * 10, [5, 5, 5, 2] * 10, [4, 4, 4, 2] * 10]
    assert effect.drawn == pytest.approx([100 / 6 * end for end in bootstrap(np.array(counts))])
    said = words.sentence(ALIKE_ROW, effect)
    assert "looking by fc7 raises the share of the nearest that are of the same class by 62.5 points" in said
    assert table(page([found]), "seed")[0] == ["0", "75.0", "16.7", "10.0", "30.0 %"]
    lower = replace(effect, estimate=student([-20.0, -21.0, -22.0]), drawn=None)
    assert "That is the other direction than the claim's" in words.sentence(ALIKE_ROW, lower)


def test_ensembles_are_counted_over_all_sets_and_photographs(tmp_path: Path) -> None:
    # of four photographs, networks 0 to 2 are wrong about 0, 0 and 1, 1; of the sets (0 1) (0 2) (1 2) one about 1
    looks = [joined("1100"), joined("1000", "1000"), joined("0100", "0100", "0000")]
    looked(tmp_path, TOGETHER_ROW, {"base": looks})
    found = findings(TOGETHER_ROW, tmp_path)
    three, two = found.effects
    alone = np.array([2 / 3, 2 / 3, 0.0, 0.0])
    wanted = student((100 * (0.0 - alone)).tolist())
    assert (three.estimate.mean, three.estimate.low, three.estimate.n) == pytest.approx((wanted.mean, wanted.low, 3))
    assert two.estimate.mean == pytest.approx(100 * np.mean(np.array([1 / 3, 1 / 3, 0, 0]) - alone))
    said = words.sentence(TOGETHER_ROW, three)
    assert said.startswith("On Colours at 32 pixels, 3 seeds, averaging three networks changes the top-1 error by")
    assert (
        "95 % interval over photographs, with these networks, −" in said and "with these photographs no effect" in said
    )
    assert table(page([found]), "networks") == [["1", "3", "33.33"], ["2", "3", "16.67"], ["3", "1", "0.00"]]


def test_networks_that_were_trained_again_are_named(tmp_path: Path) -> None:
    looked(tmp_path, APART_ROW, {"base": [{"numbers": {"colour": [0.1, 0.2]}}] * 3}, model="sha256:1")
    for seed in (0, 1, 2):
        (need,) = Task(APART_ROW, "base", seed).needs
        write_record(tmp_path / need.file, record(need, test=0.4, model="sha256:2" if seed == 1 else "sha256:1"))
    said = page([findings(APART_ROW, tmp_path)])
    assert "the runs on record: `base` seed 1, 30.0 % here and 40.0 % there." in said


def test_a_p_too_small_for_its_places_is_no_zero(tmp_path: Path) -> None:
    far = [*np.linspace(0.1, 0.2, 48), *np.linspace(0.6, 0.7, 48)]
    looked(tmp_path, APART_ROW, {"base": [{"numbers": {"colour": far}}] * 3})
    assert "together (Fisher) p is below 0.0001." in page([findings(APART_ROW, tmp_path)])


def test_ensembles_wait_for_their_networks(tmp_path: Path) -> None:
    looked(tmp_path, TOGETHER_ROW, {"base": [joined("1100"), joined("1000", "1000")]})
    (two,) = findings(TOGETHER_ROW, tmp_path).effects
    assert two.pair.networks == 2 and two.estimate.n == 2
    (tmp_path / "joined/base-0.json").unlink()
    assert findings(TOGETHER_ROW, tmp_path).effects == (), "the sets would not be all"
    assert "| 1 | 0 | – |" in page([findings(TOGETHER_ROW, tmp_path)])


def test_networks_that_diverged_are_counted(tmp_path: Path) -> None:
    looked(tmp_path, ALIKE_ROW, {"base": [near("6666", "1111"), None, near("6666", "1111")]})
    (effect,) = findings(ALIKE_ROW, tmp_path).effects
    assert effect.failed == 1 and effect.drawn is None and effect.estimate.mean == pytest.approx(250 / 6 * 4 / 3)
    assert "counts as seen, a network that diverged as 0; without it the change is +83.3" in words.sentence(
        ALIKE_ROW, effect
    )
    looked(tmp_path, APART_ROW, {"base": [colour(0.5, 0.6), None], "mirror=false": [colour(0.5, 0.5)] * 2})
    found = findings(APART_ROW, tmp_path)
    assert found.effects[0].estimate.mean == pytest.approx(5.0)
    assert table(page([found]), "arm")[1] == ["`base`", "1", "–", "–", "–", "–"]
    looked(tmp_path, TOGETHER_ROW, {"base": [joined("1100"), None, joined("1000", "1000")]})
    (two,) = findings(TOGETHER_ROW, tmp_path).effects
    assert two.failed == 1 and two.estimate.mean == pytest.approx(100 * (0.25 - 0.375))
    assert "1 of these runs was at chance in the end or diverged; a network that diverged is in no" in words.sentence(
        TOGETHER_ROW, two
    )


def test_runs_whose_networks_are_looked_at_are_not_results(tmp_path: Path) -> None:
    looked(tmp_path, ALIKE_ROW, {"base": [near("6666", "1111")]})
    (tmp_path / "near/base-0.json").unlink()
    found = findings(ALIKE_ROW, tmp_path)
    assert not found.results and "Not run yet" in page([found])
