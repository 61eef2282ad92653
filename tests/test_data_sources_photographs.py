import pytest

from alexnet.data.sources.photographs import is_hidden, is_photograph, passed_over


@pytest.mark.parametrize("name", ["1.jpg", "a/b.JFIF", "three.jpe", "IMG_1.HEIC", "no ending", "a.photo", "x.PNG"])
def test_a_file_counts_as_a_photograph_whatever_its_ending(name):
    assert is_photograph(name)


@pytest.mark.parametrize("name", ["labels.CSV", "a/README", "LICENSE", "a/IMG_1.MOV", "IMG_1.AAE", "x.mat", "all.zip"])
def test_texts_films_and_archives_are_none(name):
    assert not is_photograph(name)


@pytest.mark.parametrize("name", [".DS_Store", "._1.jpg", "Thumbs.db", "DESKTOP.INI", "@eaDir", "__MACOSX", "#recycle"])
def test_hidden_is_what_begins_with_a_dot_or_is_the_system_s(name):
    assert is_hidden(name)
    assert not is_hidden(f"x{name}")


def test_what_was_passed_over_is_counted_by_kind():
    assert passed_over([]) is None
    assert passed_over(["a.txt"]) == "Passed over 1 thing that is no photograph: 1 .txt."
    others = [f"{number}.txt" for number in range(1200)] + [f"x.{kind}" for kind in ("csv", "md", "py", "sh", "xml")]
    assert passed_over(others, [".a", "@eaDir"]) == (
        "Passed over 1,207 things that are no photographs: 1,200 .txt, 1 .csv, 1 .md, 1 .py, 1 .sh and 3 more."
    )
