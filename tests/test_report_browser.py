"""The report in a real browser: nothing is asked for, nothing fails, nothing sticks out, everything can be reached."""

from __future__ import annotations

import json
import os
import shutil
import time
from itertools import pairwise
from pathlib import Path

import pytest
import report_story as story
from test_report import EVIL, hostile  # noqa: F401 - a fixture

from oauthtrace.report.page import render

GALLERY = sorted((Path(__file__).parent.parent / "reports").glob("*.html"))
AXE = os.environ.get("OAUTHTRACE_AXE", "")
"""Path of axe.min.js, of the npm package axe-core: it is no dependency, whoever has it names it."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if not CHROMIUM and not os.environ.get("CI"):
    pytest.skip("no Chromium on this machine", allow_module_level=True)

sync_api = (
    pytest.importorskip("playwright.sync_api")
    if not os.environ.get("CI")
    else __import__("playwright.sync_api").sync_api
)


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(story.morning()), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["story", "hostile", *[page.stem for page in GALLERY]])
def any_file(request):
    """The page of the story, the one of hostile strings, and each of the gallery."""
    named = {page.stem: page for page in GALLERY}
    return named.get(request.param) or request.getfixturevalue(
        {"story": "file", "hostile": "hostile_file"}[request.param]
    )


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory, hostile):  # noqa: F811
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    path.write_text(render(hostile), encoding="utf-8")
    return path


class Seen:
    """A page that was opened, with all that it said and asked for."""

    def __init__(self, chromium, path, *, fragment="", **context):
        self.complaints, self.requests, self.blocked, self.dialogs = [], [], [], []
        self.context = chromium.new_context(**context)
        self.page = self.context.new_page()
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.blocked.append(request.url))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.goto(path.as_uri() + fragment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


LOOKS = [
    {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    {"viewport": {"width": 390, "height": 844}},
    {"viewport": {"width": 3840, "height": 2160}},
    {"viewport": {"width": 1280, "height": 900}, "java_script_enabled": False},
]


STICKS_OUT = """() => [...document.querySelectorAll("body *")].filter((e) => !e.closest("svg, .scroll, .skip") &&
  e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map((e) => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "mobile", "4k", "no-script"])
def test_quiet_and_within_its_width(chromium, any_file, look):
    with Seen(chromium, any_file, **look) as seen:
        assert seen.complaints == []
        assert seen.dialogs == []
        assert [url for url in seen.requests if not url.startswith("file:")] == []
        assert len(seen.requests) == 1
        assert seen.page.locator("h1").is_visible()
        if look.get("java_script_enabled", True):
            width = seen.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1]
            assert seen.page.evaluate("document.scripts.length") == 1
            out = seen.page.evaluate(STICKS_OUT)
            assert out == [], f"these stick out of the page to the right: {out}"


def test_policy_holds(chromium, file):
    with Seen(chromium, file) as seen:
        run = """() => { const s = document.createElement("script"); s.textContent = "window.ran = 1"; document.body.append(s);
                 const p = document.createElement("p"); p.setAttribute("style", "color: red"); document.body.append(p);
                 const i = new Image(); i.src = "https://elsewhere.test/x.png"; document.body.append(i);
                 return [window.ran, p.style.color]; }"""
        assert seen.page.evaluate(run) == [None, ""]
        seen.page.wait_for_timeout(50)
        assert any("Content Security Policy" in said for said in seen.complaints)
        assert seen.blocked == ["https://elsewhere.test/x.png"]


def test_deep_link_opens_what_is_folded(chromium, file):
    failure = story.morning().failures["id"][7]
    with Seen(chromium, file, fragment=f"#{failure}") as seen:
        assert seen.page.locator(f"[id='{failure}']").is_visible()


def test_filter_and_expand(chromium, file):
    with Seen(chromium, file) as seen:
        assert seen.page.locator("article.incident:visible").count() == 3
        seen.page.get_by_role("searchbox").fill("partner-7")
        assert seen.page.locator("article.incident:visible").count() == 1
        seen.page.get_by_role("searchbox").fill("no such thing")
        assert "Nothing contains that." in seen.page.locator("#found").inner_text()
        seen.page.get_by_role("searchbox").fill("")
        seen.page.get_by_role("button", name="Open everything").click()
        assert seen.page.locator("details:not([open])").count() == 0
        assert seen.complaints == []


def test_copy_as_markdown(chromium, file):
    with Seen(chromium, file, permissions=["clipboard-read", "clipboard-write"]) as seen:
        seen.page.locator(".ticket-copy").first.click()
        seen.page.get_by_text("Copied").wait_for()
        copied = seen.page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("### web-app sends an http redirect URI")
        assert "http://app.acme.test/callback" in copied
        row = seen.page.locator(".failures").first
        row.locator("summary").click()
        row.locator("tbody button").nth(2).click()
        seen.page.get_by_text("Copied").nth(0).wait_for()
        seen.page.wait_for_timeout(50)
        assert "**This failure**" in seen.page.evaluate("navigator.clipboard.readText()")


def test_everything_can_be_reached_by_keyboard(chromium, file):
    with Seen(chromium, file) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.className") == "skip"
        seen.page.keyboard.press("Enter")
        assert seen.page.url.endswith("#broken")


def test_names_for_screen_readers(chromium, file):
    with Seen(chromium, file) as seen:
        assert seen.page.get_by_role("img").count() >= 1
        assert "failed" in seen.page.get_by_role("img").first.get_attribute("aria-label")
        levels = seen.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => +h.tagName[1])")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_timeline_is_text_where_it_is_narrow(chromium, file):
    with Seen(chromium, file, viewport={"width": 390, "height": 844}) as seen:
        assert seen.page.locator("svg.lanes").first.is_hidden()
        assert seen.page.locator("ol.steps").first.is_visible()


def test_prints(chromium, any_file):
    with Seen(chromium, any_file) as seen:
        assert seen.page.pdf(format="A4", print_background=True).startswith(b"%PDF")
        seen.page.emulate_media(media="print")
        assert seen.page.locator("#tools").is_hidden()
        assert seen.page.locator("h1").is_visible()
        assert seen.page.locator("button:visible").all_inner_texts() == seen.page.locator("thead button:visible").all_inner_texts()  # fmt: skip
        assert seen.complaints == []


@pytest.mark.skipif(not Path(AXE).is_file(), reason="OAUTHTRACE_AXE does not name an axe.min.js (npm package axe-core)")
@pytest.mark.parametrize("look", LOOKS[:3], ids=["light", "dark", "mobile"])
def test_axe_finds_nothing(chromium, any_file, look):
    with Seen(chromium, any_file, bypass_csp=True, **look) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        seen.page.add_script_tag(content=Path(AXE).read_text("utf-8"))
        found = seen.page.evaluate("axe.run()")["violations"]
        assert [(v["id"], v["help"], v["nodes"][0]["html"][:200]) for v in found] == []


def first_cells(page, table):
    return page.locator(f"{table} tbody tr:not(.note) > :first-child > a").all_inner_texts()


def test_sorting_by_keyboard(chromium, file):
    with Seen(chromium, file) as seen:
        given = first_cells(seen.page, ".incidents")
        heads = seen.page.locator(".incidents thead th")
        heads.nth(0).get_by_role("button").focus()
        for order, wanted in (("ascending", sorted(given)), ("descending", sorted(given, reverse=True)), (None, given)):
            seen.page.keyboard.press("Enter")
            assert heads.nth(0).get_attribute("aria-sort") == order
            assert first_cells(seen.page, ".incidents") == wanted
        heads.nth(2).get_by_role("button").click()
        counts = [int(n) for n in seen.page.locator(".incidents td.count").all_inner_texts()]
        assert counts == sorted(counts, reverse=True)
        heads.nth(3).get_by_role("button").click()
        assert [head.get_attribute("aria-sort") for head in heads.all()] == [None, None, None, "ascending", None]
        assert first_cells(seen.page, ".incidents")[0] == "Rotated refresh token used again"
        seen.page.locator(".failures summary").first.click()
        times = seen.page.locator(".failures").first.locator("thead th").nth(1)
        times.get_by_role("button").click(click_count=2, delay=10)
        shown = seen.page.locator(".failures").first.locator("tbody td:nth-child(2)").all_inner_texts()
        assert shown == sorted(shown, reverse=True)
        assert len(shown) == 41
        assert seen.complaints == []


def test_only_what_still_goes_on(chromium, file):
    with Seen(chromium, file) as seen:
        seen.page.get_by_label("Only what still goes on").check()
        assert seen.page.locator("article.incident:visible").count() == 2
        assert seen.page.locator("#found").inner_text() == "2 / 3"
        seen.page.get_by_label("Only what still goes on").uncheck()
        assert seen.page.locator("article.incident:visible").count() == 3


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no-script"])
def test_the_collection_can_be_saved(chromium, file, tmp_path, scripts):
    with Seen(chromium, file, java_script_enabled=scripts, accept_downloads=True) as seen:
        with seen.page.expect_download() as saving:
            seen.page.get_by_role("link", name="Postman").click()
        saving.value.save_as(tmp_path / "saved.json")
        assert saving.value.suggested_filename == "oauthtrace.postman_collection.json"
        assert len(json.loads((tmp_path / "saved.json").read_text("utf-8"))["item"]) == 3
        assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
        assert seen.complaints == []


def test_every_copy_button_copies_what_stands_beside_it(chromium, file):
    with Seen(chromium, file, permissions=["clipboard-read", "clipboard-write"]) as seen:
        seen.page.get_by_role("button", name="Open everything").click()
        blocks = seen.page.locator("[data-copy]")
        assert blocks.count() >= 10
        for block in blocks.all()[:5]:
            beside = block.evaluate("(block) => block.firstChild.nodeValue")
            block.get_by_role("button").click()
            seen.page.wait_for_function("(text) => navigator.clipboard.readText().then((t) => t === text)", arg=beside)
        assert seen.complaints == []


def test_usable_within_a_second(chromium, hostile_file):
    begun = time.perf_counter()
    with Seen(chromium, hostile_file):
        assert time.perf_counter() - begun < 5  # 0.3 s on an idle machine
    assert len(EVIL) > 10
