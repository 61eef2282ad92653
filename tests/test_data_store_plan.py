import json
from dataclasses import replace

import pytest
from fake_source import FakeSource

import alexnet.data.store_plan as module
from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.store_plan import StorePlan, store_plan

SQUASH = {"resize": "squash", "interpolation": "bilinear"}


def plan_of(preparation: Preparation = DEFAULT, count: int = 40) -> StorePlan:
    return store_plan(FakeSource(count), encoding="auto", quality=90, split=None, seed=0, preparation=preparation)


def test_the_plan_tells_apart_all_that_decides_the_content() -> None:
    plan = StorePlan("fake", "made up", "jpeg", 90, {"test": 0.25}, 0)
    others = [
        replace(plan, source="folder"),
        replace(plan, identity="other"),
        replace(plan, encoding="raw", quality=None),
        replace(plan, quality=91),
        replace(plan, shares={"val": 0.25}),
        replace(plan, seed=1),
        replace(plan, resizing={"resize": "squash", "interpolation": "bicubic"}),
        replace(plan, resizing={"side": 72}),
    ]
    assert len({each.digest for each in [plan, *others]}) == 9


def test_the_paper_s_resizing_is_not_named() -> None:
    facts = {"encoding": "jpeg", "identity": "made up", "quality": 90, "seed": 0, "shares": {}, "source": "fake"}
    assert json.loads(StorePlan("fake", "made up", "jpeg", 90, {}, 0).content) == facts


@pytest.mark.parametrize(
    ("preparation", "digest"),
    [
        (Preparation(), "50a127fb1723c9c92950af1294d4734b8072faf53aa1b9ddeb861102b03d0550"),
        (Preparation(**SQUASH), "c6179f83c0bf48f47ae2f404ae4f425d7ba495db02f0c5a4b94dfc027f1545b8"),
    ],
)
def test_plans_of_stores_that_were_made_before_sides_are_the_same(preparation: Preparation, digest: str) -> None:
    assert plan_of(preparation).digest == digest


@pytest.mark.parametrize(
    ("preparation", "named"),
    [
        (Preparation(), {}),
        (Preparation(**SQUASH), SQUASH),
        (Preparation(interpolation="bilinear"), {"resize": "shorter", "interpolation": "bilinear"}),
        (Preparation(side=72), {"side": 72}),
        (Preparation(**SQUASH, side=72), {**SQUASH, "side": 72}),
    ],
)
def test_what_is_not_the_paper_s_is_named_and_found_again(preparation: Preparation, named: dict[str, object]) -> None:
    plan = plan_of(preparation)
    assert plan.resizing == named
    assert plan.preparation == preparation


@pytest.mark.parametrize("side", [256, 72])
def test_auto_is_raw_up_to_the_limit_and_jpeg_above(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RAW_LIMIT", 80 * side * side * 3)
    preparation = Preparation(side=side)
    assert [plan_of(preparation, count).encoding for count in (80, 81)] == ["raw", "jpeg"]
