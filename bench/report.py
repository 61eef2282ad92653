"""Records of speed as tables in Markdown, and into documents: `python bench/report.py docs/performance.md`.

A document holds a table between `<!-- speed: RECORD TABLE -->` and `<!-- end -->`. RECORD is a file of results/speed
without .json, written by `compare.py`, `convolutions.py --json` or `alexnet bench --json`; TABLE is one of `TABLES`, or
one of `JOINT` for several records, written RECORD+RECORD.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from entrants import RATIOS, SECTIONS, Ratio

from alexnet.cli.bench import BATCH_SIZES, COLUMNS, cells, described, quantity
from alexnet.cli.terminal import counted, percent, size

Record = Mapping[str, Any]

RESULTS: Final = Path(__file__).parents[1] / "results" / "speed"
IMAGENET: Final = 1_281_167  # training photographs of ILSVRC-2012
EPOCHS: Final = 90  # of the paper, section 5
BLOCK: Final = re.compile(r"(<!-- speed: (\S+) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_ASKED: Final = "not asked for"
NOT_YET: Final = "*Not measured yet.*"


def main() -> None:
    """Renews the tables of a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=Path)
    document = parser.parse_args().document
    document.write_text(filled(document.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


def filled(text: str, results: Path) -> str:
    """The document with every table as the records in the folder `results` have it."""

    def renew(block: re.Match[str]) -> str:
        paths = [results / f"{name}.json" for name in block[2].split("+")]
        table = NOT_YET
        if all(path.is_file() for path in paths):
            records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
            table = JOINT[block[3]](records) if block[3] in JOINT else TABLES[block[3]](*records)
        return f"{block[1]}\n{table}\n\n{block[4]}"

    return BLOCK.sub(renew, text)


def markdown(record: Record) -> str:
    """All tables of a record of `compare.py`."""
    parts = [machine_lines(record)]
    parts += [f"### {SECTIONS[name].title}\n\n{section_table(record, name)}" for name in record["sections"]]
    if "train" in record:
        parts.append(f"### From a store\n\n{loop_table(record)}")
    parts.append(f"### Ratios\n\n{ratio_table(record)}")
    return "\n\n".join(parts) + "\n"


def ratio(record: Record, asked: Ratio) -> tuple[float | None, str]:
    """The ratio of the medians and against whom; or None and the reason why there is none."""
    rows = record["sections"].get(asked.section, {})
    absent = {"skipped": NOT_ASKED}
    ours = rows.get(asked.ours, absent)
    if "median" not in ours:
        return None, ours["skipped"]
    others = [rows.get(name, absent) for name in asked.others]
    if measured := [row for row in others if "median" in row]:
        fastest = max(measured, key=lambda row: row["median"])
        return ours["median"] / fastest["median"], fastest["title"]
    return None, "; ".join(dict.fromkeys(row["skipped"] for row in others))


CEILINGS: Final = {"ceiling": "the fastest matrix product", "loop": "multiply-adds in registers"}


def share_of_ceiling(record: Record, dtype: str) -> tuple[float, str] | None:
    """The rate of a step's products over the highest ceiling of its type, and what that is; None without one."""
    rows = record["sections"].get("step", {})
    step = rows.get(f"ours {dtype}", {})
    measured = {what: rows.get(f"{name} {dtype}", {}).get("median") for name, what in CEILINGS.items()}
    ceilings = {what: rate for what, rate in measured.items() if rate is not None}
    if "median" not in step or not ceilings:
        return None
    highest = max(ceilings, key=lambda what: ceilings[what])
    flops = step["facts"].get("multiplied_flops", step["facts"]["training_flops"])
    return step["median"] * flops / ceilings[highest], highest


def days(rate: float) -> float:
    """Days for the paper's 90 epochs of ImageNet at so many images a second."""
    return EPOCHS * IMAGENET / rate / 86400


def machine_lines(record: Record) -> str:
    """Machine, versions and command."""
    lines = described(record["machine"])
    if "sections" in record:
        facts = [row["facts"] for rows in record["sections"].values() for row in rows.values() if "facts" in row]
        versions: dict[str, set[str]] = {}
        for package, version in (item for each in facts for item in each["versions"].items()):
            versions.setdefault(package, set()).add(version)
        settings = record["settings"]
        rounds = f"{counted(settings['rounds'], 'round')} in turns, each of at least {settings['seconds']:g} seconds"
        lines += [
            *{f"memory: {each['memory']}; threads wait: {each['waiting']}" for each in facts if "memory" in each},
            ", ".join(f"{package} {' and '.join(sorted(found))}" for package, found in sorted(versions.items())),
            f"batches of {settings['batch_size']}; {rounds} and of whole calls",
        ]
    return "\n".join([*(f"- {line}" for line in lines), "", f"    {record['command']}"])


def section_table(record: Record, name: str) -> str:
    """The contenders of a section."""
    rows = record["sections"][name].values()
    counts = {"parameters": "parameters", "multiply-adds": "macs"}
    counts = {title: key for title, key in counts.items() if any(key in row.get("facts", {}) for row in rows)}
    lines = []
    for row in rows:
        if "median" in row:
            rate = [quantity(row["median"], row["unit"]), percent(row["spread"], 0)]
            numbers = [f"{row['facts'][key] / 1e6:,.0f} M" if key in row["facts"] else "" for key in counts.values()]
            lines.append([row["title"], *rate, *numbers, size(row["peak_memory"])])
        else:
            lines.append([row["title"], "–", "", *[""] * len(counts), f"not run: {row['skipped']}"])
    return table(["program", ">median", ">spread", *(f">{title}" for title in counts), ">peak memory"], lines)


ASKED: Final = {  # of the reader's table: what is asked for, the section, and who stands beside it
    "training": ("step", ("torchvision tuned", "stock tuned")),
    "answers": ("forward", ("openvino", "onnxruntime", "torchvision tuned", "stock tuned")),
}


def glance_table(records: Sequence[Record]) -> str:
    """What a machine gives with this project and with what else could be run there, from records of `compare.py`."""
    rows = []
    for record in records:
        machine = record["machine"]
        instructions = machine["kernels"].removeprefix("fused, ")
        where = f"{machine['processor']}, {machine['cores']} cores, {instructions}"
        when = record.get("date") or f"commit {machine['commit'][:7]}"
        for title, (section, others) in ASKED.items():
            measured = record["sections"].get(section, {})
            for dtype in ("bf16", "fp32"):
                rates = {name: measured.get(f"{name} {dtype}", {}).get("median") for name in ("ours", *others)}
                if rates["ours"] is None:
                    continue
                beside = [
                    f"{rates['ours'] / rate:.2f} × {CALLED[name]}"
                    for name, rate in rates.items()
                    if rate and name != "ours"
                ]
                batch = record["settings"]["batch_size"]
                rows.append(
                    [
                        where,
                        f"{title}, batches of {batch}, {dtype}",
                        quantity(rates["ours"], "images/s"),
                        ", ".join(beside),
                        when,
                    ]
                )
    return table(["machine", "what", ">rate", "that is", "measured"], rows)


CALLED: Final = {
    "torchvision tuned": "torchvision's network, tuned",
    "stock tuned": "stock PyTorch",
    "openvino": "OpenVINO",
    "onnxruntime": "ONNX Runtime",
}


def loop_table(record: Record) -> str:
    """The training loop beside the bare step, and what its rate means for ImageNet."""
    loop, bare = record["train"]["loop"], record["train"]["bare"]
    imagenet = f"{EPOCHS} epochs of {IMAGENET:,} photographs"
    rows = [
        [f"`{record['train']['command']}`", f"{quantity(loop['median'], loop['unit'])}, {loop['dtype']}"],
        ["the bare step, in turns with it", quantity(bare["median"], bare["unit"])],
        ["share of its time waiting for data", percent(loop["facts"]["waiting"])],
        [f"{imagenet} at its rate", f"{days(loop['median']):.1f} days"],
        ["90 epochs in 2012, on two GTX 580 (quoted from the paper)", "5 to 6 days"],
    ]
    return table(["", ">"], rows)


def ratio_table(record: Record) -> str:
    """Every ratio of the medians, and the step's share of its ceiling."""
    rows = []
    for asked in RATIOS:
        if asked.section in record["sections"]:
            value, against = ratio(record, asked)
            if (value, against) == (None, NOT_ASKED):
                continue
            here, note = ("–", f"not run: {against}") if value is None else (f"{value:.2f}×", against)
            rows.append([asked.title, here, note])
    for dtype in ("bf16", "fp32"):
        if (found := share_of_ceiling(record, dtype)) is not None:
            share, ceiling = found
            title = f"training step, {dtype}: share of its ceiling"
            if share > 1:
                rows.append([title, "–", f"faster than {ceiling}, which is no ceiling then"])
            else:
                rows.append([title, percent(share, 0), ceiling])
    if "train" in record:
        share = record["train"]["loop"]["facts"]["of_bare_step"]
        title = "`alexnet train` from a store over the bare step"
        rows.append([title, f"{share:.2f}×", "median of the ratios, round by round"])
    return table(["ratio of medians", ">here", "against"], rows)


def alone_table(record: Record, name: str) -> str:
    """The rows of one of the measurements of `alexnet bench`."""
    results = [result for result in record["results"] if result["bench"] == name]
    rows = [cells(row) for result in results for row in result["rows"]]
    failed = [["", f"{each['batch_size']}", "", "–", "", "", each["error"]] for each in _failed(results)]
    return table(COLUMNS, rows + failed)


def batches_table(record: Record) -> str:
    """The first row of every measurement: one thing at several batch sizes."""
    failed = [
        [each["bench"], f"{each['batch_size']}", "", "–", "", each["error"]] for each in _failed(record["results"])
    ]
    rows = [cells(result["rows"][0])[:6] for result in record["results"] if result["rows"]]
    return table(COLUMNS[:6], rows + failed)


def networks_table(record: Record) -> str:
    """The training step of several networks: rate, work done, share of the highest ceiling beside it."""
    rows = []
    for result in record["results"]:
        _, batch, dtype, median, spread, memory, *_ = cells(result["rows"][0])
        facts = result["rows"][0]["facts"]
        share = facts["share_of_ceiling"]
        done = quantity(facts["flops_per_second"], "FLOP/s")
        rows.append(
            [result["model"], batch, dtype, median, spread, done, percent(share, 0) if share <= 1 else "–", memory]
        )
    return table(["network", ">batch", "dtype", ">median", ">spread", ">work", ">of the ceiling", ">peak memory"], rows)


def convolutions_table(record: Record) -> str:
    """GFLOP/s of every formulation of a pass, a column for each layer."""
    layers = [layer["name"] for layer in record["layers"]]
    rates: dict[tuple[str, str], dict[str, float]] = {}
    for row in record["rows"]:
        rates.setdefault((row["pass"], row["how"]), {})[row["layer"]] = median(row["rates"])
    rows = [
        [*key, *(f"{found[layer] / 1e9:,.0f}" if layer in found else "–" for layer in layers)]
        for key, found in rates.items()
    ]
    return table(["pass", "formulation", *(f">{layer}" for layer in layers)], rows)


def linear_table(record: Record) -> str:
    """GFLOP/s of the products of the fully connected layers: a line for each route, a column for each layer."""
    layers: list[str] = []
    rates: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in (row for result in record["results"] for row in result["rows"]):
        layer, kind, route = row["what"].split(", ", 2)
        layers += [layer] if layer not in layers else []
        rates.setdefault((f"{row['batch_size']}", kind, route), {})[layer] = f"{row['median'] / 1e9:,.0f}"
    rows = [[*key, *(found.get(layer, "–") for layer in layers)] for key, found in rates.items()]
    return table([">batch", "product", "route", *(f">{layer}" for layer in layers)], rows)


def _failed(results: Sequence[Record]) -> list[Record]:
    return [result for result in results if "error" in result]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, empty columns left out; the names of columns of numbers begin with ">"."""
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    rules = ["---:" if columns[index].startswith(">") else "---" for index in used]
    lines = [[columns[index].removeprefix(">") for index in used], rules]
    lines += [[row[index] for index in used] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _section(name: str) -> Callable[[Record], str]:
    return lambda record: section_table(record, name)


def _alone(name: str) -> Callable[[Record], str]:
    return lambda record: alone_table(record, name)


TABLES: Final[dict[str, Callable[[Record], str]]] = {
    "machine": machine_lines,
    "ratios": ratio_table,
    "loop": loop_table,
    "batches": batches_table,
    "convolutions": convolutions_table,
    "networks": networks_table,
    "linear": linear_table,
    **{f"compare-{name}": _section(name) for name in SECTIONS},
    **{f"bench-{name}": _alone(name) for name in BATCH_SIZES},
}
"""What a document can ask for, by name."""

JOINT: Final[dict[str, Callable[[Sequence[Record]], str]]] = {"glance": glance_table}
"""Tables of several records."""


if __name__ == "__main__":
    main()
