"""The command as tests call it: in this process, or in one of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

from alexnet.cli.main import cli

TESTS = Path(__file__).parent


def alexnet(*words: object, stdin: bytes | None = None) -> Result:
    """What `alexnet WORDS` prints and its exit code."""
    return CliRunner().invoke(cli, list(map(str, words)), input=stdin)


def refusal(*words: object) -> tuple[int, str]:
    """Exit code and sentence of a call that must fail: one line on standard error, nothing on standard output."""
    result = alexnet(*words)
    assert result.exit_code != 0
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return result.exit_code, lines[0]


def python(code: str, *words: object) -> subprocess.Popen[str]:
    """A process that runs the code in the folder of tests, with words as its arguments."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=TESTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def photographs(folder: Path, *, classes: tuple[str, ...] = ("ash", "birch", "cedar"), each: int = 6) -> Path:
    """A folder of class folders of small PNG files, all different."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = rng.integers(0, 80, (20, 24, 3), dtype=np.uint8)
            pixels[..., label % 3] += 150
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder
