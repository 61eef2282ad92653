"""Compares this project with torchvision, TensorFlow, ONNX Runtime, OpenVINO and captum. `make proofs` calls it.

Same weights and same inputs, stage by stage. The tables go to standard output, the record of all comparisons to
results/proofs/agreement.json and agreement.md; the exit status is 1 when anything differs by more than its tolerance.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from proofs import captum, golden, runtimes, tensorflow, torchvision
from proofs.asking import Testimony
from proofs.tables import COLUMNS, cells, markdown
from proofs.verdict import Proof

import alexnet
from alexnet.cli.terminal import print_table
from alexnet.experiments.bench.machine import machine

RECORD: Final = Path(__file__).parents[1] / "results" / "proofs" / "agreement.json"
COMPARISONS: Final[dict[str, Callable[[Path], tuple[list[Proof], Testimony]]]] = {
    "torchvision": torchvision.prove,
    "lrn": tensorflow.prove_lrn,
    "tflearn": tensorflow.prove_tflearn,
    "onnx": runtimes.prove,
    "captum": captum.prove,
}
GOLDEN: Final = {"torchvision": golden.write_owt, "lrn": golden.write_lrn, "tflearn": golden.write_tflearn}


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(COMPARISONS)}; default: all")
    parser.add_argument("--golden", action="store_true", help="also write what the others said to tests/golden")
    parser.add_argument("--out", type=Path, help=f"the record; default, where all are compared: {RECORD.name}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(COMPARISONS):
        parser.error(f"no comparison {', '.join(sorted(unknown))}; there are {', '.join(COMPARISONS)}")
    proofs: list[Proof] = []
    for name in options.names or COMPARISONS:
        with TemporaryDirectory(prefix="alexnet-proofs-") as folder:
            found, told = COMPARISONS[name](Path(folder))
        for proof in found:
            show(proof)
        proofs += found
        if options.golden and name in GOLDEN:
            GOLDEN[name](told)
    out = options.out or (None if options.names else RECORD)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = record(proofs)
        out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(markdown(made), encoding="utf-8")
        print(f"Written: {out} and {out.with_suffix('.md')}")
    failed = [proof.title for proof in proofs if not proof.passes]
    for title in failed:
        print(f"Failed: {title}", file=sys.stderr)
    sys.exit(bool(failed))


def record(proofs: list[Proof]) -> dict[str, Any]:
    """What was compared, where, and with what result."""
    return {
        "question": "Do other programs compute the same from the same weights and inputs?",
        "command": shlex.join(["python", "bench/prove.py", *sys.argv[1:]]),
        "machine": machine(alexnet.place("cpu")),
        "passes": all(proof.passes for proof in proofs),
        "proofs": [proof.to_json() for proof in proofs],
    }


def show(proof: Proof) -> None:
    """Prints the proof as a table."""
    print(f"{proof.title}\n  {proof.witness}\n  tolerance: {proof.tolerance}\n")
    print_table(COLUMNS, [cells(asdict(row)) for row in proof.rows])
    print()


if __name__ == "__main__":
    main()
