from printed import missing, paragraphs, percentages

TEXT = """A first paragraph with 14.0 %
and 1,105 photographs.

- an item with 3 seeds
- another, 105 epochs

| a row | 4.0 % |
| --- | --- |
| another row | 12 |
"""


def test_figures_stand_together_only_within_a_paragraph_an_item_or_a_row() -> None:
    assert paragraphs(TEXT)[:2] == ["A first paragraph with 14.0 % and 1,105 photographs.", "- an item with 3 seeds"]
    assert missing(TEXT, "14.0 %", "1,105") == []
    assert missing(TEXT, "14.0 %", "105") == ["105"]
    assert missing(TEXT, "12", "4.0 %") in (["12"], ["4.0 %"]), "rows are apart"


def test_a_figure_is_found_as_a_whole() -> None:
    assert missing("the 14.0 % of 1,105", "4.0 %", "105") == ["4.0 %", "105"]
    assert missing("conv1 has 3.5 of it", "1", "3") == ["1", "3"]
    assert missing("(3) of 4.", "3", "4") == []


def test_percentages_are_found_across_lines() -> None:
    assert percentages(TEXT + "99.4\n%") == {"14.0 %", "4.0 %", "99.4 %"}
