"""What docs/serve.md says of requests a second, held to the record."""

import json
from pathlib import Path
from statistics import median

from printed import missing, table
from serve_load import ratios

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
MEASURED = PAGE[PAGE.index("## What was measured") : PAGE.index("## Who may ask")]
RECORD = json.loads((ROOT / "results/serve/amd-epyc-zen3-2-cores.json").read_text(encoding="utf-8"))


def usual(clients: int, what: str) -> float:
    rows = [row for row in RECORD["rounds"] if (row["service"], row["clients"]) == ("together", clients)]
    return median(row[what] for row in rows)


def test_the_table_has_the_medians_and_their_ratios() -> None:
    found = ratios(RECORD)
    assert found == RECORD["ratios"]
    assert table(MEASURED, "") == [
        [
            "64 clients, requests a second",
            f"{usual(64, 'requests_per_s'):.1f}",
            f"{found['requests_per_s, 64 clients']:.2f} ×",
        ],
        [
            "64 clients, processor time of a request",
            f"{usual(64, 'processor_ms'):.1f} ms",
            f"{found['processor_ms, 64 clients']:.2f} ×",
        ],
        ["one client, median of an answer", f"{usual(1, 'median_ms'):.1f} ms", f"{found['median_ms, 1 client']:.2f} ×"],
    ]


def test_every_answer_was_right_and_the_service_was_ready_in_time() -> None:
    requests = RECORD["checked"]["together"]["statuses"]
    assert requests == {"200": 512} and not missing(MEASURED, "512 requests by 64 clients")
    assert max(checked["difference"] for checked in RECORD["checked"].values()) <= 1e-6
    assert not missing(MEASURED, f"{RECORD['ratios']['ready / predict']:.2f} of the time")


def test_memory_stands_still_and_nothing_is_lost() -> None:
    long = RECORD["long"]
    requests, memory = sum(part["requests"] for part in long), [part["memory_mb"] for part in long]
    assert all(part["statuses"] == {"200": part["requests"]} for part in long)
    assert not missing(MEASURED, f"{requests:,} requests of 64 clients", f"{memory[0]:.0f} to {memory[-1]:.0f} MB")
    assert memory[-1] - memory[3] < 1
