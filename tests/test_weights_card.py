from pathlib import Path

from making import tiny_model

from alexnet.data.store import Store
from alexnet.weights.card import model_card
from alexnet.weights.model_dir import read_description, save_model

PROVENANCE = {
    "trained_with": "alexnet, recipe small, seed 3",
    "photographs": {"train": 42, "val": 12},
    "imported_from": [],
    "errors": {"train_error": 0.123456789, "val_top1_error": 0.25},
}


def card_of(store: Store, path: Path) -> str:
    save_model(tiny_model(store), path)
    return model_card({**read_description(path), "provenance": PROVENANCE})


def test_the_card_says_what_the_model_is_and_where_it_comes_from(colours: Store, tmp_path: Path) -> None:
    lines = card_of(colours, tmp_path / "m").splitlines()
    for line in (
        "# tiny: 6 classes",
        "AlexNet in miniature.",
        "| Network | `tiny`, 32 × 32 input |",
        "| Classes | Amber, Blue, Coal, Drab, Emerald, Fuchsia |",
        "| Scale of the input | 0-255 |",
        "| Trained with | alexnet, recipe small, seed 3 |",
        "| Photographs | train 42, val 12 |",
        "| Imported from | none |",
        "| Errors | train_error 0.1235, val_top1_error 0.25 |",
    ):
        assert line in lines, line


def test_the_front_matter_is_closed(colours: Store, tmp_path: Path) -> None:
    lines = card_of(colours, tmp_path / "m").splitlines()
    assert lines[0] == "---"
    assert "library_name: alexnet" in lines[1 : lines.index("---", 1)]


def test_of_many_classes_the_first_twenty_are_named(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "m")
    classes = [{"key": f"n{number}", "name": f"thing {number}"} for number in range(21)]
    card = model_card({**read_description(tmp_path / "m"), "classes": classes})
    assert "thing 19, …" in card
    assert "thing 20" not in card


def test_the_card_is_saved_beside_the_weights(colours: Store, tmp_path: Path) -> None:
    save_model(tiny_model(colours), tmp_path / "m")
    assert (tmp_path / "m" / "README.md").read_text(encoding="utf-8") == model_card(read_description(tmp_path / "m"))
