"""Numbers and names in docs/decisions that follow from the code."""

import re
from pathlib import Path

from printed import missing

from alexnet.data.prepare import RAW_LIMIT

PATHS = sorted((Path(__file__).parents[1] / "docs" / "decisions").glob("*.md"))


def test_a_decision_has_a_number_of_its_own_and_says_what_was_chosen() -> None:
    numbers = [path.name[:4] for path in PATHS]
    assert len(set(numbers)) == len(numbers)
    for path in PATHS:
        text = path.read_text(encoding="utf-8")
        assert re.match(rf"# {path.name[:4]} \w", text), path.name
        assert "**Question.**" in text and "**Choice.**" in text, path.name


def test_a_raw_store_holds_as_many_photographs_as_said() -> None:
    (store,) = (path for path in PATHS if path.name == "0003-the-store.md")
    assert not missing(store.read_text(encoding="utf-8"), f"{RAW_LIMIT // (256 * 256 * 3):,} photographs")
