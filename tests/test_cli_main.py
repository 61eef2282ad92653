"""The command as a whole: what it imports, how it answers mistakes, with which exit codes."""

import io
import signal
import subprocess
import sys

import click
import pytest
from commanding import alexnet, python, refusal

import alexnet.cli.layers as layers
from alexnet.cli.main import ALIASES, VERBS, Verbs, cli, main
from alexnet.errors import DataError
from alexnet.version import VERSION

NAMES = [name for verbs in VERBS.values() for name in verbs]

HEAVY = """
import sys
from alexnet.cli.main import main
for words in sys.argv[1:]:
    sys.argv[1:] = words.split()
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
    found = {"torch", "numpy", "PIL", "rich.console"} & set(sys.modules)
    assert not found, (words, found)
"""


def test_no_help_imports_torch_or_numpy() -> None:
    words = ["--help", "--version", *(f"{name} --help" for name in NAMES), "data check --help", "data info --help"]
    child = python(HEAVY, *words)
    out, err = child.communicate()
    assert child.returncode == 0, err
    assert out.count("Usage: ") == len(words) - 1


def test_help_lists_every_verb_with_its_line() -> None:
    result = alexnet("--help")
    assert result.exit_code == 0
    for verbs in VERBS.values():
        for name, entry in verbs.items():
            assert f"  {name} " in result.stdout
            assert entry.text.split()[0] in result.stdout


def test_without_words_the_help_is_shown() -> None:
    assert alexnet().stdout == alexnet("--help").stdout


@pytest.mark.parametrize("name", [*NAMES, *ALIASES])
def test_every_verb_has_help_and_the_common_options(name: str) -> None:
    result = alexnet(name, "-h")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: alexnet {name} ")
    assert "--quiet" in result.stdout
    assert "--debug" in result.stdout


def test_python_m_alexnet_is_the_command() -> None:
    child = python("import runpy; runpy.run_module('alexnet', run_name='__main__')", "--version")
    out, _ = child.communicate()
    assert (child.returncode, out) == (0, f"alexnet {VERSION}\n")


def test_an_unknown_command_names_the_nearest() -> None:
    code, sentence = refusal("trian")
    assert code == 2
    assert sentence.startswith("alexnet: error: Unknown command 'trian'; did you mean 'train'? Known: ")


def test_an_unknown_option_names_the_nearest() -> None:
    code, sentence = refusal("train", "--recipee", "small")
    assert code == 2
    assert "No such option '--recipee'" in sentence
    assert "'--recipe'" in sentence
    assert sentence.endswith("(See alexnet train --help.)")


def test_a_value_of_the_wrong_kind_is_refused() -> None:
    code, sentence = refusal("predict", "model", "image", "--crops", "5")
    assert code == 2
    assert "'5' is not one of '1', '10'" in sentence


def test_a_missing_argument_is_named() -> None:
    code, sentence = refusal("predict")
    assert code == 2
    assert "Missing argument 'MODEL'" in sentence


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(layers, "find_network", fail)


@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [
        (">&-", 1, "alexnet: error: Standard output is closed; for no output at all, send it to /dev/null.\n"),
        (">&- 2>&-", 1, ""),
        ("2>&-", 0, ""),
        ("<&-", 0, ""),
    ],
)
def test_closed_streams_are_no_traceback(closed: str, code: int, said: str) -> None:
    words = ["sh", "-c", f'"$0" -m alexnet models {closed}', sys.executable]
    ended = subprocess.run(words, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (code, said)
    assert bool(ended.stdout) == (code == 0)


def test_our_errors_are_one_line_with_their_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(DataError("The store is green; paint it."), monkeypatch)
    assert refusal("layers") == (3, "alexnet: error: The store is green; paint it.")


def test_an_unexpected_error_is_one_line_that_points_to_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(ZeroDivisionError("by zero"), monkeypatch)
    assert refusal("layers") == (
        1,
        "alexnet: error: unexpectedly, ZeroDivisionError: by zero. Run again with --debug to see where.",
    )


def test_an_error_of_the_system_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(PermissionError(13, "Permission denied", "/some/file"), monkeypatch)
    assert refusal("layers") == (1, "alexnet: error: /some/file: Permission denied.")


@pytest.mark.parametrize("words", [("--debug", "layers"), ("layers", "--debug")])
def test_debug_shows_where_an_error_came_from(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    raising(DataError("The store is green; paint it."), monkeypatch)
    result = alexnet(*words)
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("alexnet: error: The store is green; paint it.\n")


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(KeyboardInterrupt(), monkeypatch)
    result = alexnet("layers")
    assert result.exit_code == 130
    assert result.stderr == "\nalexnet: interrupted\n"


def test_a_closed_pipe_is_no_complaint() -> None:
    child = python("from alexnet.cli.main import main; main()", "recipes")
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == ""
    assert child.wait() == 1
    child.stderr.close()


def test_completion_knows_the_verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"_ALEXNET_COMPLETE": "bash_complete", "COMP_WORDS": "alexnet pre", "COMP_CWORD": "1"}.items():
        monkeypatch.setenv(key, value)
    assert alexnet().stdout.split() == ["plain,prepare", "plain,predict"]


def test_verbs_are_listed_in_the_order_of_the_table() -> None:
    assert cli.list_commands(None) == NAMES  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_want_of_memory_is_a_sentence_that_says_what_to_do(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Verbs, "get_command", lambda self, ctx, name: click.Command(name, callback=fail))
    for verb, what in {
        "train": "Train in parts with --set accumulate=4, or with a smaller --batch-size; end other programs.",
        "prepare": "Prepare with fewer workers (-j 1); end other programs.",
        "export": "End other programs.",
    }.items():
        assert refusal(verb) == (1, f"alexnet: error: The memory does not suffice. {what}")


def test_no_further_thread_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(click.Group, "main", fail)
    code, sentence = refusal("doctor")
    assert code == 1
    assert sentence.startswith("alexnet: error: The system starts no further thread, for want of memory")


def test_sigterm_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(click.Group, "main", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    code, sentence = refusal("doctor")
    assert code == 143
    assert sentence == "alexnet: stopped by SIGTERM; what can be continued is kept: give the same command again"
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(*words: object, **options: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise click.UsageError("not stopped")

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        monkeypatch.setattr(click.Group, "main", main)
        assert "not stopped" in refusal("models")[1]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_names_with_escape_sequences_do_not_reach_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def talk() -> None:
        click.echo("\x07red")

    monkeypatch.setattr("alexnet.cli.main.cli", talk)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), write_through=True))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO()))
    stream = sys.stdout
    main()
    assert stream.buffer.getvalue() == b"\\x07red\n"  # type: ignore[attr-defined]
