"""A real browser for tests of the page: Debian's chromium, driven by Playwright; what it logs and asks is kept."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")


def missing() -> str:
    """Why there is no browser; empty where there is one."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install 'alexnet[dev]'"
    return "" if CHROMIUM else "there is no chromium on the path: apt-get install chromium"


@dataclass
class Visit:
    """A page that is open, with everything that its console said and every address that it asked."""

    page: Any
    console: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def choose(self, name: str, content: bytes) -> None:
        self.page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
        self.settled()

    def settled(self) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator("#panel")).to_have_attribute("aria-busy", "false", timeout=20_000)
        expect(self.page.locator(".waiting")).to_have_count(0, timeout=20_000)


class Browser:
    """Opens pages."""

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium

    @contextmanager
    def visit(self, address: str, *, width: int = 1280, dark: bool = False) -> Iterator[Visit]:
        """The page at an address, open while the block lasts."""
        scheme = "dark" if dark else "light"
        context = self._chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        try:
            visit = Visit(context.new_page())
            visit.page.on("console", lambda message: visit.console.append(message.text))
            visit.page.on("pageerror", lambda error: visit.console.append(str(error)))
            visit.page.on("request", lambda request: visit.asked.append(request.url))
            visit.page.goto(address)
            yield visit
        finally:
            context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; the tests are skipped where there is none, and fail for that in CI."""
    if reason := missing():
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield Browser(chromium)
        chromium.close()
