import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import served

from alexnet.data.download import Archive
from alexnet.errors import AlexNetError, ConfigError, DataError, WeightsError
from alexnet.model.variants import VARIANTS
from alexnet.weights.foreign.cache import KNOWN, Known, add_weights, find_kept, kept_weights, remove_weights

CONTENT = b"weights of a network " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server of CONTENT, which is known as "toy"; the paths that it was asked for."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with served(CONTENT) as (address, asked):
        known = Known(Archive(f"{address}/models/toy.pth", DIGEST), len(CONTENT), "owt", "torchvision", "none")
        monkeypatch.setitem(KNOWN, "toy", known)
        yield asked


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.caffemodel"
    path.write_bytes(CONTENT)
    return path


def test_a_name_is_fetched_once_and_checked(server: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "weights"
    for _ in range(2):
        kept = add_weights("toy", folder)
        assert (kept.path, kept.sha256) == (folder / "toy.pth", DIGEST)
        assert (kept.name, kept.format, kept.vouched) == ("toy", "torchvision", True)
    assert kept.path.read_bytes() == CONTENT
    assert server == ["/models/toy.pth"]


def test_what_was_fetched_is_checked_again_when_asked_for_again(server: list[str], tmp_path: Path) -> None:
    (tmp_path / "toy.pth").write_bytes(CONTENT[1:])
    with pytest.raises(DataError, match="another file or damaged"):
        add_weights("toy", tmp_path)
    assert server == []


def test_a_url_needs_a_digest_unless_it_is_known(server: list[str], tmp_path: Path) -> None:
    known = KNOWN["toy"].archive.url
    assert add_weights(known, tmp_path / "a").name == "toy"
    other = known.replace("models/toy.pth", "other%20one.onnx?download=true")
    with pytest.raises(ConfigError, match=rf"Nothing is known of {re.escape(other)}, so its SHA-256 has to be given"):
        add_weights(other, tmp_path / "b")
    kept = add_weights(other, tmp_path / "b", digest=DIGEST.upper())  # whose content is known
    assert (kept.path.name, kept.format, kept.vouched) == ("other one.onnx", "torchvision", True)
    assert server == ["/models/toy.pth", "/other%20one.onnx?download=true"]


def test_another_file_than_promised_is_not_kept(server: list[str], tmp_path: Path) -> None:
    url = KNOWN["toy"].archive.url.replace("toy", "other")
    with pytest.raises(DataError, match=f"has SHA-256 {DIGEST} where {'ab' * 32} was expected"):
        add_weights(url, tmp_path, digest="ab" * 32)
    assert list(tmp_path.iterdir()) == []


def test_a_digest_that_contradicts_what_is_known_is_refused(server: list[str], tmp_path: Path) -> None:
    for what in ("toy", KNOWN["toy"].archive.url):
        with pytest.raises(ConfigError, match=f"is {DIGEST}, not {'ab' * 32}; leave it out"):
            add_weights(what, tmp_path, digest="ab" * 32)
    assert server == []


@pytest.mark.parametrize("digest", ["abc", "", f"{'ab' * 31}xy", f"{'ab' * 32}00"])
def test_what_is_no_digest_is_refused(digest: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 64 hexadecimal digits"):
        add_weights("torchvision", tmp_path, digest=digest)


def test_offline_nothing_is_fetched_and_the_sentence_says_how_to_do_without(server: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        add_weights("toy", tmp_path, offline=True)
    for part in (KNOWN["toy"].archive.url, DIGEST, str(tmp_path / "toy.pth")):
        assert part in str(error.value)
    assert server == []
    add_weights("toy", tmp_path)
    assert add_weights("toy", tmp_path, offline=True).path == tmp_path / "toy.pth"


def test_a_server_out_of_reach_is_a_sentence_with_address_digest_and_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    url = "http://127.0.0.1:9/toy.pth"  # the discard port, where nothing listens
    with pytest.raises(DataError) as error:
        add_weights(url, tmp_path, digest=DIGEST)
    for part in (url, DIGEST, str(tmp_path / "toy.pth")):
        assert part in str(error.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x.org/a.pth", "https://x.org/", "https://x.org/a/.."])
def test_what_is_no_address_of_a_file_on_the_web_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not the address of a file"):
        add_weights(url, tmp_path, digest=DIGEST)


def test_a_file_is_copied_and_nobody_vouches_for_it(file: Path, tmp_path: Path) -> None:
    for _ in range(2):
        kept = add_weights(str(file), tmp_path / "weights")
    assert kept.path == tmp_path / "weights" / "mine.caffemodel"
    assert kept.path.read_bytes() == CONTENT
    assert (kept.sha256, kept.name, kept.format, kept.vouched) == (DIGEST, None, "caffe", False)
    assert add_weights(str(file), tmp_path / "weights", digest=DIGEST).vouched


def test_a_known_file_is_recognised_whatever_its_name(server: list[str], file: Path, tmp_path: Path) -> None:
    kept = add_weights(str(file), tmp_path / "weights")
    assert (kept.path.name, kept.name, kept.format, kept.vouched) == ("toy.pth", "toy", "torchvision", True)
    assert server == []


def test_a_file_of_another_digest_or_in_the_place_of_another_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"has SHA-256 {DIGEST} where {'ab' * 32} was expected"):
        add_weights(str(file), tmp_path / "weights", digest="ab" * 32)
    add_weights(str(file), tmp_path / "weights")
    file.write_bytes(b"another")
    with pytest.raises(WeightsError, match=r"is there already and is another file; remove it or rename"):
        add_weights(str(file), tmp_path / "weights")
    assert (tmp_path / "weights" / file.name).read_bytes() == CONTENT


def test_another_file_of_a_published_name_is_not_taken_for_that(server: list[str], tmp_path: Path) -> None:
    other = tmp_path / "toy.pth"
    other.write_bytes(b"another")
    with pytest.raises(WeightsError, match="has the name of the published file toy, and another SHA-256"):
        add_weights(str(other), tmp_path / "weights")
    assert kept_weights(tmp_path / "weights") == {}
    with pytest.raises(WeightsError, match=r"toy\.pth is not what was published as toy: it has another SHA-256"):
        find_kept("toy", tmp_path)


def test_a_kept_file_is_found_by_its_published_name_its_own_and_that_without_ending(
    server: list[str], tmp_path: Path
) -> None:
    add_weights("toy", tmp_path)
    (tmp_path / "mine.caffemodel").write_bytes(b"another")
    assert {find_kept(name, tmp_path) for name in ("toy", "toy.pth")} == {tmp_path / "toy.pth"}
    assert {find_kept(name, tmp_path) for name in ("mine", "mine.caffemodel")} == {tmp_path / "mine.caffemodel"}
    assert find_kept("toy.npy", tmp_path) is None


def test_what_is_neither_name_nor_file_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"'torchvison'; did you mean 'torchvision'.* no file of that name either"):
        add_weights("torchvison", tmp_path)
    for path in ("no/where.pth", str(tmp_path)):
        with pytest.raises(WeightsError, match=rf"There is no file {path}; give a file of weights, or one of: torch"):
            add_weights(path, tmp_path)


def test_a_folder_that_cannot_be_made_is_a_sentence(file: Path, tmp_path: Path) -> None:
    with pytest.raises(AlexNetError, match=r"Cannot make the folder .*: Not a directory; set ALEXNET_HOME to a folder"):
        add_weights(str(file), file / "weights")


def test_kept_files_are_listed_and_removed_by_name(server: list[str], file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    assert kept_weights(folder) == {}
    with pytest.raises(ConfigError, match="There are no weights in"):
        remove_weights("toy", folder)
    add_weights("toy", folder)
    file.write_bytes(b"another")
    add_weights(str(file), folder)
    (folder / "half.pth.part").write_bytes(b"half")
    assert kept_weights(folder) == {"mine.caffemodel": folder / "mine.caffemodel", "toy": folder / "toy.pth"}
    with pytest.raises(ConfigError, match=r"Unknown file of weights 'tiy'; did you mean 'toy'\?"):
        remove_weights("tiy", folder)
    assert remove_weights("toy", folder) == folder / "toy.pth"
    assert list(kept_weights(folder)) == ["mine.caffemodel"]


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_is_whole(name: str) -> None:
    row = KNOWN[name]
    assert re.fullmatch(r"[0-9a-f]{64}", row.archive.sha256)
    assert row.archive.url.startswith(("https://", "http://dl.caffe.berkeleyvision.org/"))
    parameters = {"owt": 61_100_840, "bvlc_alexnet": 60_965_224, "caffenet": 60_965_224}[row.variant]
    # four bytes a parameter, and the layers' names and shapes
    assert 4 * parameters < row.size < 4 * parameters + 6_000
    assert row.variant in VARIANTS


def test_torchvision_s_name_holds_the_first_digits() -> None:
    archive = KNOWN["torchvision"].archive
    assert archive.file_name == f"alexnet-owt-{archive.sha256[:8]}.pth"
