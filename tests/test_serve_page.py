"""The page in a real browser: every way in, every tab, by mouse and by keyboard, and what it says when things fail."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from asking import Service, picture, serving
from browsing import Browser, Visit, browser
from making import tiny_model
from PIL import Image
from running import begin

from alexnet.data.source import Category, told_apart
from alexnet.data.store import Store
from alexnet.evaluation.extraction import Plan, write_features
from alexnet.evaluation.photographs import of_split
from alexnet.evaluation.predictor import Predictor
from alexnet.model.device import place
from alexnet.weights.model_dir import Model, save_model

__all__ = ["browser"]
DRAKE = "بط (ذكر) 3"
MARKUP = "<img src=x onerror=alert(1)>"
TABS = ["Answer", "Ten crops", "Inside", "Why", "Alike", "Network", "Training"]
DROP = """([content, name]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))], name));
  return transfer;
}"""
PASTE = """([content, name]) => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))], name));
  window.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
}"""
PIXEL = "(each) => [...each.getContext('2d').getImageData(50, 50, 1, 1).data]"
COUNTING = """() => {
  window.alerts = 0;
  const count = (changes) => {
    for (const { target, addedNodes } of changes) {
      for (const each of addedNodes) window.alerts += each.role === "alert" || target.role === "alert" ? 1 : 0;
    }
  };
  new MutationObserver(count).observe(document.querySelector("#panel"), { childList: true, subtree: true });
}"""
GOING = {"name": "x", "state": "running", "epoch": 1, "epochs": 3, "seconds_left": 60, "rows": []}


@pytest.fixture(scope="module")
def model(colours: Store) -> Model:
    """An untrained network, with classes that are traps: markup, two of one name, one that is read from the right."""
    made = tiny_model(colours)
    traps = (Category("amber", MARKUP), Category("blue", "Crane"), Category("coal", "Crane"))
    return replace(made, categories=(*traps, Category("drab", DRAKE), *made.categories[4:]))


@pytest.fixture(scope="module")
def service(model: Model, colours: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("page")
    save_model(model, folder / "model")
    run = begin(store=colours, out=folder / "run").path
    predictor = Predictor(folder / "model", placement=place("cpu", "fp32"))
    made = folder / "features"
    write_features(folder / "model", predictor, of_split(colours, "val"), made, Plan(("relu2",)))
    with serving(folder / "model", folder / "log", run=run, features=made, max_bytes=300_000) as service:
        yield service


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Visit]:
    with browser.visit(service.address) as visit:
        yield visit


def isolated(text: str) -> str:
    """A name in a sentence, held together whichever way it is read."""
    return f"\u2068{text}\u2069"


def expect(thing: Any) -> Any:
    from playwright.sync_api import expect

    return expect(thing, "the page")


def answered(visit: Visit) -> list[str]:
    """The answers that are shown, with their percentages."""
    visit.settled()
    expect(visit.page.locator(".bars li").first).to_be_visible(timeout=20_000)
    return [text.replace("\n", " ") for text in visit.page.locator(".bars li").all_inner_texts()]


def right(model: Model, content: bytes) -> list[str]:
    answers = Predictor(model, placement=place("cpu", "fp32")).predict(content, 5).answers
    names = told_apart(model.categories)
    return [f"{names[each.index]} {100 * each.probability:.1f} %" for each in answers]


def test_a_chosen_photograph_gets_five_answers(visit: Visit, service: Service, model: Model) -> None:
    content = picture(1, (80, 60))
    visit.choose("holiday.png", content)
    assert answered(visit) == right(model, content)
    expect(visit.page.locator("#panel")).to_contain_text(f"{isolated('holiday.png')}: 80 × 60 pixels.")
    expect(visit.page.locator("#say")).to_contain_text(f"{isolated('holiday.png')}: ")
    assert visit.console == []
    assert {url.split("/")[2] for url in visit.asked if not url.startswith(("blob:", "data:"))} == {
        f"127.0.0.1:{service.port}"
    }


def test_a_dropped_and_a_pasted_photograph(visit: Visit, model: Model) -> None:
    for seed, way in ((2, "drop"), (3, "paste")):
        content = picture(seed)
        argument = [b64encode(content).decode(), f"{way}.png"]
        if way == "drop":
            transfer = visit.page.evaluate_handle(DROP, argument)
            visit.page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
        else:
            visit.page.evaluate(PASTE, argument)
        expect(visit.page.locator("#say")).to_contain_text(f"{isolated(way + '.png')}: ", timeout=20_000)
        assert answered(visit) == right(model, content)
    assert visit.console == []


def test_by_keyboard_alone(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    visit.page.get_by_role("button", name="Built-in picture: butterfly").focus()
    keyboard.press("Enter")
    expect(visit.page.locator("#say")).to_contain_text(f"{isolated('The built-in butterfly')}: ", timeout=20_000)
    visit.page.get_by_role("tab", name="Answer").focus()
    for name in [*TABS[1:], TABS[0]]:
        keyboard.press("ArrowRight")
        visit.settled()
        expect(visit.page.get_by_role("tab", name=name)).to_be_focused()
        expect(visit.page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    keyboard.press("End")
    assert visit.page.url.endswith("#training")
    visit.tab("Inside")
    big = visit.page.get_by_role("application")
    big.focus()
    keyboard.press("ArrowLeft")
    expect(visit.page.locator(".large [role=status]")).to_contain_text("sees the")
    assert visit.console == []


def test_a_photograph_chosen_before_the_service_has_answered_is_looked_at(browser: Browser, service: Service) -> None:
    held: list[Any] = []
    with browser.visit(service.address) as visit:
        visit.page.route("**/v1/model", lambda route: held.append(route))
        visit.page.reload(wait_until="domcontentloaded")
        visit.choose("early.png", picture(4))
        while not held:
            visit.page.wait_for_timeout(10)
        held[0].continue_()
        expect(visit.page.locator("#say")).to_contain_text(f"{isolated('early.png')}: ", timeout=20_000)
        assert len(answered(visit)) == 5


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 768, 320])
def test_every_tab_is_accessible_and_fits(browser: Browser, service: Service, width: int, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with browser.visit(service.address, width=width, dark=dark) as visit:
        visit.choose("x.png", picture(4, (90, 60)))
        answered(visit)
        for name in TABS:
            visit.tab(name)
            found = Axe().run(visit.page)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"
            wide = visit.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} pixels wide at {width}"
        assert visit.console == []


@pytest.mark.parametrize("kind", ["a transparent PNG", "a TIFF"])
def test_every_tab_draws_what_the_network_saw(visit: Visit, kind: str) -> None:
    seen, made = [200, 40, 90, 255] if kind == "a TIFF" else [255] * 4, BytesIO()
    if kind == "a TIFF":
        Image.new("RGB", (64, 64), tuple(seen[:3])).save(made, "TIFF")
    else:
        Image.new("RGBA", (64, 64)).save(made, "PNG")
    visit.choose("x", made.getvalue())
    for tab, where in (("Answer", "figure"), ("Ten crops", ".crops"), ("Inside", ".field"), ("Alike", ".query")):
        visit.tab(tab)
        pixel = visit.page.locator(f"{where} canvas").first.evaluate(PIXEL)
        assert pixel == seen, tab
    visit.tab("Why")
    red, green, blue, opaque = visit.page.locator("figure canvas").first.evaluate(PIXEL)
    assert opaque == 255 and (red > blue or red == green == blue)  # grey, or more orange


def test_ten_crops_vote_and_one_map_is_looked_at(visit: Visit) -> None:
    visit.tab("Ten crops")
    visit.choose("x.png", picture(5))
    expect(visit.page.locator("#say")).to_contain_text(f"{isolated('x.png')}: ", timeout=20_000)
    expect(visit.page.locator(".crops li")).to_have_count(10)
    expect(visit.page.locator("#panel")).to_contain_text("crops say")
    visit.tab("Inside")
    expect(visit.page.locator(".tile")).to_have_count(8)
    visit.page.locator(".tile").nth(3).click()
    expect(visit.page.locator(".large h3")).to_contain_text("Map ")
    expect(visit.page.locator(".kernel img")).to_have_js_property("naturalWidth", 5)
    visit.page.get_by_role("button", name="fc2").click()
    expect(visit.page.locator("#panel")).to_contain_text("fc2 has 16 units")
    assert visit.console == []


def test_classes_of_one_name_are_told_apart_on_every_tab(visit: Visit) -> None:
    visit.choose("x.png", picture(5))
    for name in ("Answer", "Ten crops", "Why"):
        visit.tab(name)
        told = visit.page.locator("#panel").text_content() + visit.page.locator("#say").text_content()
        assert told.count("Crane") == told.count("Crane (blue)") + told.count("Crane (coal)") > 0, f"{name}: {told}"


def test_a_name_that_is_read_from_the_right_leaves_the_numbers_in_their_places(visit: Visit) -> None:
    visit.choose("صورة 5.png", picture(10))
    for tab in ("Answer", "Why", "Ten crops"):
        visit.tab(tab)
        expect(visit.page.locator("#say")).to_contain_text(f"{isolated('صورة 5.png')}: {isolated('')[0]}")
        for where in ("#say", "#panel p", "#panel figcaption", "#panel option"):
            for text in visit.page.locator(where).all_text_contents():
                for each in (DRAKE, "صورة 5.png"):
                    assert text.count(each) == text.count(isolated(each)), f"{tab}: {text}"
        told = "".join(visit.page.locator("#say, #panel").all_text_contents())
        assert isolated(DRAKE) in told, f"{tab}: {told}"


def test_three_methods_say_why_and_one_honestly_nothing(visit: Visit) -> None:
    visit.choose("x.png", picture(6))
    visit.tab("Why")
    expect(visit.page.locator("figcaption")).to_contain_text("Full orange is")
    body = {"class": "Blue", "probability": 0.1, "method": "gradcam", "unit": "u", "box": [0, 0, 32, 32]}
    empty = {**body, "grid": [2, 2], "values": [0, 0, 0, 0], "empty": True}
    visit.page.route("**/v1/saliency?method=gradcam*", lambda route: route.fulfill(json=empty))
    visit.page.get_by_label("Grad-CAM").check()
    expect(visit.page.locator("figcaption")).to_have_text(
        f"Nothing in this picture speaks for {isolated('Blue')} by this method, so there is nothing to show."
    )
    visit.page.get_by_label("Occlusion").check()
    expect(visit.page.locator("figcaption")).to_contain_text("drop of the probability", timeout=20_000)
    assert visit.console == []


def test_the_nearest_photographs_are_shown(visit: Visit) -> None:
    visit.choose("x.png", picture(13))
    visit.tab("Alike")
    expect(visit.page.locator("#panel")).to_contain_text("The nearest of 12 photographs by relu2, euclidean distance")
    expect(visit.page.locator(".crops img")).to_have_count(9)
    assert visit.console == []


def test_a_run_is_followed(visit: Visit) -> None:
    visit.tab("Training")
    expect(visit.page.locator("#panel")).to_contain_text("It is finished after 3 epochs.")
    expect(visit.page.locator(".chart")).to_have_count(2)


def test_a_run_that_cannot_be_followed_is_said_once(visit: Visit) -> None:
    visit.page.route("**/v1/run*", lambda route: route.fulfill(json=GOING))
    visit.page.clock.install()
    visit.tab("Training")
    visit.page.evaluate(COUNTING)
    visit.page.unroute("**/v1/run*")
    lost: list[Any] = []

    def lose(route: Any) -> None:
        lost.append(route)
        route.abort()

    visit.page.route("**/v1/run*", lose)
    while len(lost) < 3:
        visit.page.clock.run_for(1000)
        visit.page.wait_for_timeout(20)
    expect(visit.page.locator("#panel .problem")).to_have_count(1)
    assert visit.page.evaluate("window.alerts") == 1
    visit.page.unroute("**/v1/run*")
    visit.page.route("**/v1/run*", lambda route: route.fulfill(json=GOING))
    visit.page.clock.run_for(6000)
    expect(visit.page.locator("#panel .problem")).to_have_count(0)


def test_markup_in_names_is_text(visit: Visit) -> None:
    visit.choose(f"{MARKUP}.png".replace("/", ""), picture(7))
    assert any(MARKUP in text for text in answered(visit))
    expect(visit.page.locator("#panel")).to_contain_text(f"{isolated(MARKUP + '.png')}: ")
    for name in ("Ten crops", "Why"):
        visit.tab(name)
    assert visit.page.locator("img[src=x]").count() == 0
    assert visit.console == []


def test_what_is_no_image_and_what_is_too_large_is_said(visit: Visit) -> None:
    visit.choose("notes.txt", b"%PDF-1.7")
    expect(visit.page.get_by_role("alert")).to_contain_text("It is a PDF document")
    visit.choose("large.png", bytes(300_001))
    expect(visit.page.get_by_role("alert")).to_have_text(
        f"{isolated('large.png')} has 0.3 MB; the service takes 0.3 MB at most."
    )
    visit.choose("good.png", picture())
    answered(visit)
    expect(visit.page.get_by_role("alert")).to_have_count(0)


def test_an_answer_that_comes_after_a_change_of_tabs_is_said_when_it_comes(visit: Visit) -> None:
    held: list[Any] = []
    visit.page.route("**/v1/predict*", lambda route: route.continue_() if held else held.append(route))
    visit.choose("x.png", picture(14))
    while not held:
        visit.page.wait_for_timeout(10)
    visit.tab("Network")
    expect(visit.page.locator("#say")).to_have_text(f"{isolated('x.png')} is taken; its answer is in the tab Answer.")
    visit.tab("Answer")
    expect(visit.page.locator("#say")).to_contain_text("; then ")
    visit.tab("Ten crops")
    expect(visit.page.locator("#say")).to_contain_text("; then ")


def test_a_busy_service_is_asked_again(visit: Visit, model: Model) -> None:
    refused = []

    def busy(route: Any) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(1)
            route.fulfill(status=503, json={"detail": "busy", "status": 503})

    visit.page.route("**/v1/predict*", busy)
    visit.choose("x.png", picture(8))
    expect(visit.page.locator("#say")).to_contain_text("The service is busy; trying again")
    assert answered(visit) == right(model, picture(8))
    said = visit.page.locator("#say").inner_text()
    refused.clear()
    visit.page.get_by_role("tab", name="Ten crops").click()
    expect(visit.page.locator("#say")).to_contain_text("The service is busy; trying again")
    expect(visit.page.locator("#say")).to_have_text(said)
    expect(visit.page.locator("#panel")).to_contain_text("crops say")


def test_of_two_photographs_in_quick_succession_the_second_is_shown(visit: Visit, model: Model) -> None:
    held = []

    def slow(route: Any) -> None:
        if not held:
            held.append(route)  # the first answer comes last
        else:
            route.continue_()

    visit.page.route("**/v1/predict*", slow)
    visit.choose("first.png", picture(9))
    visit.page.wait_for_timeout(100)
    visit.choose("second.png", picture(10))
    expect(visit.page.locator("#say")).to_contain_text(f"{isolated('second.png')}: ", timeout=20_000)
    held[0].continue_()
    visit.page.wait_for_timeout(300)
    assert answered(visit) == right(model, picture(10))
    expect(visit.page.locator("#panel")).to_contain_text(f"{isolated('second.png')}: ")


def test_without_the_cable_the_page_stays_and_says_so(visit: Visit) -> None:
    visit.choose("x.png", picture(11))
    answered(visit)
    visit.page.context.set_offline(True)
    visit.choose("y.png", picture(12))
    expect(visit.page.get_by_role("alert")).to_contain_text("The service does not answer.")
    expect(visit.page.get_by_role("tab", name="Why")).to_be_visible()
    visit.page.context.set_offline(False)
    visit.choose("y.png", picture(12))
    assert len(answered(visit)) == 5


def test_a_service_that_has_gone_is_said(browser: Browser, model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    with serving(tmp_path / "model", tmp_path / "log") as service, browser.visit(service.address) as visit:
        expect(visit.page.locator("#card")).to_contain_text("tiny · 6 classes")
        assert service.stop() == 0
        visit.choose("x.png", picture())
        expect(visit.page.get_by_role("alert")).to_contain_text("start it again with alexnet serve")
