"""docs/tour.md: what it names exists, and the numbering is whole."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
STOPS = sorted(set(re.findall(r"`(alexnet/[\w/]+\.py)(?::([\w.]+))?`", TEXT)))


@pytest.mark.parametrize(("file", "name"), STOPS, ids=lambda part: str(part))
def test_a_stop_is_there(file: str, name: str) -> None:
    tree: ast.AST = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for part in filter(None, name.split(".")):
        found = {}
        for node in ast.iter_child_nodes(tree):
            match node:
                case ast.FunctionDef(name=known) | ast.ClassDef(name=known):
                    found[known] = node
                case ast.Assign(targets=[ast.Name(id=known)]) | ast.AnnAssign(target=ast.Name(id=known)):
                    found[known] = node
        assert part in found, f"{file} has no {part}"
        tree = found[part]


def test_the_stops_are_numbered_and_name_a_function_each() -> None:
    stops = re.findall(r"^(\d+)\. `alexnet/[\w/]+\.py:", TEXT, re.MULTILINE)
    assert [int(number) for number in stops] == list(range(1, len(stops) + 1))
    assert len(stops) >= 12


def test_names_without_a_file_are_in_the_file_named_before() -> None:
    for file, text in re.findall(
        r"`(alexnet/[\w/]+\.py):\w[\w.]*`(.*?)(?=`alexnet/|\n\d+\. |\n## |\Z)", TEXT, re.DOTALL
    ):
        for name in re.findall(r"`(\w+)` (?:beside it|in the same file)", text):
            assert re.search(rf"^(?:def|class) {name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), name
