"""How a program in the environment of the comparison answers: `python SCRIPT FOLDER`.

It finds in FOLDER what it is given, some of it as arrays in given.npz; leaves its answers there as arrays in found.npz;
and says on its last line which versions of which packages gave them, as JSON.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray]


def testify(answer: Callable[[Arrays, Path], Arrays], versions: Mapping[str, str]) -> None:
    """Answers what the command line asks for."""
    folder = Path(sys.argv[1])
    with np.load(folder / "given.npz") as given:
        found = answer(dict(given), folder)
    np.savez(folder / "found.npz", **found)
    print(json.dumps(versions))
