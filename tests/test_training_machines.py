import json
import time

import machines
import pytest
import wired

WIRED = wired.__file__
pytestmark = pytest.mark.skipif(bool(machines.missing()), reason=machines.missing() or "never")


def test_two_machines_put_on_the_wire_what_is_promised() -> None:
    with machines.machines("1gbit") as made:
        processes = made.start([WIRED, "send", "30"], {})
        try:
            said = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
            given = [made.given(number) for number in range(2)]
        finally:
            for process in processes:
                process.kill()
    for told, bytes_ in zip(said, given, strict=True):
        assert told["sent"] == told["promised"] > 40_000_000
        # the rest is what TCP and IP add, the answers to the other's packets, and how the two met
        assert 1 <= bytes_ / told["sent"] < 1.07


def test_when_the_wire_is_cut_both_end_after_the_wait() -> None:
    with machines.machines("100mbit") as made:
        processes = made.start([WIRED, "talk", "4"], {})
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "here\n"
            made.cut()
            cut = time.monotonic()
            said = [process.communicate(timeout=60)[0].strip() for process in processes]
            assert time.monotonic() - cut < 4 + 5
        finally:
            for process in processes:
                process.kill()
    assert [process.returncode for process in processes] == [75, 75]
    assert all("is gone, or was silent for 4 s" in text for text in said if text) and any(said)
