"""Records of comparisons as a person reads them."""

from collections.abc import Mapping
from typing import Any, Final

from report import machine_lines, table

COLUMNS: Final = ("", "shape", ">largest value", ">largest difference", ">share of it", ">tolerance", "")
SUMMARY: Final = ("compared", "with", ">comparisons", ">largest difference", ">tolerance", "")


def cells(row: Mapping[str, Any]) -> list[str]:
    """A line of the table of one proof."""
    numbers = (number(row[name]) for name in ("scale", "absolute", "relative", "tolerance"))
    verdict = ("differs, as it must" if row["control"] else "agrees") if row["passes"] else "FAILS"
    return [row["what"], " × ".join(map(str, row["shape"])), *numbers, verdict]


def number(value: float | None) -> str:
    """Three digits; nothing for None."""
    return "" if value is None else f"{value:.3g}"


def markdown(record: Mapping[str, Any]) -> str:
    """The record: a line for each proof, then all of each."""
    proofs = record["proofs"]
    parts = [machine_lines(record), table(SUMMARY, [summary(proof) for proof in proofs])]
    for proof in proofs:
        rows = table(COLUMNS, [cells(row) for row in proof["rows"]])
        parts.append(f"### {proof['title']}\n\n{proof['witness']}. Tolerance: {proof['tolerance']}.\n\n{rows}")
    return "\n\n".join(parts) + "\n"


def summary(proof: Mapping[str, Any]) -> list[str]:
    """A proof in a line; its differences are shares of the largest value."""
    rows = [row for row in proof["rows"] if not row["control"]]
    tolerance = max((row["tolerance"] for row in rows if row["tolerance"] is not None), default=None)
    worst = "none" if tolerance is None else number(proof["worst"])
    verdict = "agrees" if proof["passes"] else "FAILS"
    return [proof["title"], proof["witness"], f"{len(rows)}", worst, number(tolerance) or "none", verdict]
