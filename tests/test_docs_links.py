"""Documents lead somewhere: every link within the repository, the index, the citation, the hosted CI."""

import re
from pathlib import Path

import pytest

from alexnet.version import VERSION

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob("results/*.md")]
)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_what_is_there(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_the_index_has_every_document() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert not [name for name in pages if f"]({name})" not in index]


def test_the_words_come_in_order_and_once() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([^|]+?) \|", index.split("## Words")[1], re.MULTILINE)[2:]
    assert len(words) >= 20
    assert words == sorted(words, key=str.lower) and len(set(words)) == len(words)


def test_the_citation_is_of_this_version() -> None:
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_hosted_ci_calls_ours() -> None:
    assert "- run: .ci/run\n" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert (ROOT / ".ci" / "run").is_file()


def test_what_the_checklists_name_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:alexnet|tests|bench|docs)/[\w/.]+)`", text)
    assert len(named) > 20
    assert not [name for name in named if "NAME" not in name and not (ROOT / name).exists()]
    for name, file in re.findall(r"`([A-Z_]+)` (?:of|in) `([\w/.]+\.py)`", text):
        assert re.search(rf"^{name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), f"{name} in {file}"
