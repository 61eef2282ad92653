import json
from collections.abc import Iterator

import click
import pytest
import torch
from commanding import alexnet, python

from alexnet.cli import options
from alexnet.cli.main import VERBS, cli
from alexnet.process import ALLOCATORS, describe_memory

EARLY = """
import sys
from alexnet.cli import options
from alexnet.cli.main import VERBS, cli

def settle(environment, allocator):
    print(verb, allocator, "torch" in sys.modules)
    raise SystemExit

options.set_up = settle
for verb in [verb for verbs in VERBS.values() for verb in verbs]:
    command = cli.get_command(None, verb)
    if any(param.name == "allocator" for param in getattr(command, "params", ())):
        try:
            cli([verb, "x"])
        except SystemExit:
            pass
"""


def test_the_allocator_is_settled_before_torch_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALEXNET_ALLOCATOR")
    out, error = python(EARLY).communicate()
    told = [line.split() for line in out.splitlines()]
    assert {"train", "evaluate", "predict", "demo", "doctor"} <= {verb for verb, *_ in told}, error
    assert all(rest == ["keep", "False"] for _, *rest in told), told


def test_the_allocator_is_an_option_and_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(options, "set_up", lambda environment, allocator: given.append(allocator))
    for variable, words, expected in (
        ("system", (), "system"),
        ("keep", (), "keep"),
        ("keep", ("--allocator", "system"), "system"),
    ):
        monkeypatch.setenv("ALEXNET_ALLOCATOR", variable)
        alexnet("doctor", *words)
        assert given.pop() == expected
    result = alexnet("doctor", "--allocator", "kept")
    assert result.exit_code == 2
    assert all(f"'{name}'" in result.stderr for name in ALLOCATORS)


def test_doctor_tells_what_the_allocator_does() -> None:
    assert json.loads(alexnet("doctor", "--json").stdout)["allocator"] == describe_memory()
    assert f"allocator  freed blocks: {describe_memory()}" in alexnet("doctor").stdout


@pytest.mark.parametrize(
    ("words", "given", "threads"),
    [(("--threads", "3"), {}, 3), ((), {"ALEXNET_THREADS": "3"}, 3), ((), {"OMP_NUM_THREADS": "1"}, 2), ((), {}, 5)],
)
def test_threads_are_the_options_then_those_of_the_machine(
    words: tuple[str, ...], given: dict[str, str], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALEXNET_THREADS", "OMP_NUM_THREADS", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(options, "thread_count", lambda environment: 0 if "OMP_NUM_THREADS" in environment else 5)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        alexnet("predict", "nowhere", "x.jpg", *words)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_every_verb_that_runs_a_network_has_the_same_place_options() -> None:
    for verb in ("train", "evaluate", "predict", "demo"):
        assert verb in {name for verbs in VERBS.values() for name in verbs}
        text = alexnet(verb, "--help").stdout
        assert all(option in text for option in ("--device", "--dtype", "--threads", "--allocator"))


def commands(group: click.Group) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield from commands(found) if isinstance(found, click.Group) else (found,)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_an_option_that_takes_a_number_takes_a_finite_one(text: str) -> None:
    taken = {
        param.opts[-1]: param
        for command in commands(cli)
        for param in command.params
        if isinstance(param.type, click.types.FloatParamType)
    }
    assert {"--minutes", "--save-every", "--wait", "--dpi", "--below", "--level", "--seconds"} <= set(taken)
    for param in taken.values():
        with pytest.raises(click.BadParameter):
            param.type.convert(text, param, None)


def test_a_number_that_is_none_is_a_sentence() -> None:
    result = alexnet("train", "x", "--minutes", "nan")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "alexnet: error: Invalid value for '--minutes': 'nan' is not a finite number. (See alexnet train --help.)\n"
    )
