from collections import Counter
from pathlib import Path

from alexnet.data.imagenet_classes import imagenet_classes


def test_they_are_a_thousand_in_the_order_of_their_wnids() -> None:
    found = imagenet_classes()
    keys = [category.key for category in found]
    assert len(set(keys)) == 1000
    assert keys == sorted(keys)
    assert (found[0].key, found[0].name) == ("n01440764", "tench")
    assert (found[207].name, found[388].name, found[817].name) == ("golden retriever", "giant panda", "sports car")
    assert (found[999].key, found[999].name) == ("n15075141", "toilet tissue")
    assert [name for name, times in Counter(category.name for category in found).items() if times > 1] == [
        "crane",
        "maillot",
    ]


def test_they_are_the_first_names_of_caffes_list(shared_data: Path) -> None:
    lines = (shared_data / "imagenet" / "synset_words.txt").read_text().splitlines()
    assert [f"{category.key} {category.name}" for category in imagenet_classes()] == [
        line.partition(",")[0] for line in lines
    ]
