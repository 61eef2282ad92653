"""Every command that README prints, run in the order of the page on the built-in set.

The commands are taken from the page as they stand; `SMALLER` adds what makes them quick, `PLACES` gives the photographs
of "your" folder. What is not run here is named in `NOT_RUN` with the reason.
"""

import re
import shlex
from pathlib import Path

import pytest
from commanding import alexnet

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)

# the beginning of a command, and the words that make it quick
SMALLER = {
    "prepare shapes": "--per-class train=6,val=2,test=2",
    "bench": "--rounds 1 --seconds 0 --batch-sizes 1",
    "train": "--set epochs=1 --set batch_size=10 --input-size 131 --set lr=0.001",
}
NOT_RUN = {
    "data download": "it would download",
    "train flowers.store": "needs the photographs, and an hour",
    "prepare flowers17": "needs the photographs",
    "prepare imagenet": "needs the photographs",
    "train imagenet.store": "needs the photographs, and days",
    "evaluate runs/flowers": "needs the photographs",
    "weights add": "it would download",
    "serve": "it would not end; test_cli_serve.py runs the verb",
    "import": "needs published weights; test_cli_import.py runs the verb on files of the same form",
    "predict torchvision": "needs published weights",
    "predict runs/flowers17": "needs the photographs; test_claims.py holds the answer to its record",
    "demo": "the same verbs with a longer training; `make demo` runs it",
}


def commands() -> list[str]:
    """The commands in README's code blocks, continuation lines joined, comments and output dropped."""
    found = []
    for block in FENCE.findall(README):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.removeprefix("$ ").partition("  #")[0].strip()
            if line.startswith("alexnet "):
                found.append(line)
    return found


def match(command: str, table: dict[str, str]) -> str | None:
    words = command.removeprefix("alexnet ")
    return next((value for key, value in table.items() if words.startswith(key)), None)


def test_the_page_has_the_commands_of_a_first_hour() -> None:
    verbs = {command.split()[1] for command in commands()}
    assert {"prepare", "data", "train", "evaluate", "predict", "layers", "doctor"} <= verbs


def test_every_command_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALEXNET_HOME", str(tmp_path / "home"))
    your_photographs(tmp_path)
    ran = 0
    for command in dict.fromkeys(commands()):
        if match(command, NOT_RUN) is not None:
            continue
        words = shlex.split(command)[1:] + shlex.split(match(command, SMALLER) or "")
        if "--resume" in words:  # finished already: nothing of it can change
            words = words[: words.index("--resume") + 2]
        result = alexnet(*words)
        assert result.exit_code == 0, f"{' '.join(words)}\n{result.output}"
        ran += 1
    assert ran >= 10


def your_photographs(folder: Path) -> None:
    """The files that the page speaks of: a folder of class folders, and two photographs beside it."""
    from PIL import Image

    from alexnet.data.sources.shapes import Shapes

    source = Shapes(per_class={"train": 5}, seed=1)
    for example in source.examples:
        if example.label < 2:
            name, number = example.path.split("/")[1:]
            (folder / "photographs" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(source.load(example).pixels).save(folder / "photographs" / name / f"{number}.png")
    for name, example in zip(("holiday.jpg", "garden.png"), source.examples, strict=False):
        Image.fromarray(source.load(example).pixels).save(folder / name)
