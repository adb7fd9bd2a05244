from __future__ import annotations

import re
import time
from collections import Counter
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser

import polars as pl
import pytest
import report_story as story

from oauthtrace import exchange
from oauthtrace.analysis import Analysis
from oauthtrace.causes import causes
from oauthtrace.report import visible
from oauthtrace.report.detail import split_check
from oauthtrace.report.page import render
from oauthtrace.report.panel import compare
from oauthtrace.report.texts import texts
from oauthtrace.report.view import build
from oauthtrace.report.words import badge


class Page(HTMLParser):
    """What of a page is text, and what could do harm."""

    VOID = ("meta", "input", "br", "line", "rect", "path", "circle")

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.words, self.tags, self.attributes, self.ids, self.stack = [], Counter(), [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass

    def handle_data(self, data):
        if not self.stack or self.stack[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def analysis():
    return story.morning()


@pytest.fixture(scope="module")
def html(analysis):
    return render(analysis)


@pytest.fixture(scope="module")
def shown(html):
    return Page(html)


# --- what a reader asks is answered from the file alone -----------------------------------------------------------------


def test_title_is_the_verdict(html):
    title = re.search(r"<title>(.*?)</title>", html)[1]
    assert re.fullmatch(
        r"41 of \d\d sign-ins fail since 09:03: web-app sends an http redirect URI where https is registered\.", title
    )


def test_what_to_change_comes_next(html):
    advice = Page(html[html.index("</h1>") : html.index('class="figures"')]).text
    assert causes()["redirect-uri/scheme"].remedy.summary in advice
    assert f"until then it was {story.HTTPS}" in advice
    assert "2 smaller problems are below." in advice


def test_figures(shown):
    assert "sign-ins failed 41" in shown.text
    assert "clients affected 1 of 5" in shown.text
    assert "and still going on 2 h" in shown.text
    assert "since 09:03; 0 % before" in shown.text


def test_the_comparison_shows_what_is_missing_as_a_gap(html):
    assert (
        '<dd>http<mark><span class="gap" aria-hidden="true">\N{NO-BREAK SPACE}</span></mark>://app.acme.test/callback</dd>'
        in html
    )
    assert "<dd>http<mark>s</mark>://app.acme.test/callback</dd>" in html


def test_each_incident_answers_the_questions(analysis):
    for incident in build(analysis).details:
        told = incident.detail
        assert told.statement
        assert told.panels
        assert told.change
        assert told.check.expectation
        assert told.evidence
        assert told.unseen
        assert told.others
        assert told.curl
        assert told.timeline.steps
        assert told.timeline.mermaid.startswith("sequenceDiagram")
        assert told.markdown.startswith("### ")


def test_since_when_whom_and_how_sure(shown):
    assert "09:03 to 11:5" in shown.text
    assert "still going on" in shown.text
    assert "30 users" in shown.text
    assert "every 1 h" in shown.text
    assert shown.text.count("proved") >= 6


def test_how_often_before_and_since(analysis):
    first, *others = [incident.detail.evidence for incident in build(analysis).details]
    assert re.fullmatch(r"Since 09:03, 41 of 41 such requests failed; before that, 0 of \d+\.", first[-1])
    assert not any("such requests failed" in line for evidence in others for line in evidence)


def test_clients_of_a_shared_trouble_are_named():
    rows = [one for n, client in enumerate("abc") for one in story.sign_in(10 * n + 1, story.START + timedelta(minutes=n), f"shop-{client}", uri=story.HTTPS, fails=True)]  # fmt: skip
    page = Page(render(story.with_causes(story.analysed(rows), {"authorization": ("server/outage", 0.9)})))
    assert "3 clients shop-a, shop-b, shop-c" in page.text


def test_refresh_token_used_twice(analysis):
    panel = build(analysis).details[1].detail.panels[0]
    assert panel.kind == "uses"
    assert [use.failing for use in panel.uses] == [False, True]
    assert panel.uses[1].later == "13 ms later"
    assert panel.value.startswith("refresh:")


def test_secret_then_and_now(analysis):
    panel = build(analysis).details[2].detail.panels[0]
    assert panel.lines[0].pieces[0].text == "secret:11112222 (40 characters)"
    assert panel.lines[0].pieces[0].differs
    assert not panel.lines[0].pieces[2].differs


def test_every_failure_has_a_deep_link(analysis, shown):
    assert set(analysis.failures["id"]) <= set(shown.ids)
    assert [name for name, count in Counter(shown.ids).items() if count > 1] == []


def test_links_lead_somewhere(shown):
    targets = {value for _, name, value in shown.attributes if name == "href" and not value.startswith("data:")}
    assert {t.removeprefix("#") for t in targets} <= set(shown.ids)


def test_what_was_read(shown):
    assert "capture.har" in shown.text
    assert "120,311" in shown.text
    assert "cut off" in shown.text
    assert "the recorder left out images" in shown.text
    assert "were never stored" in shown.text


def test_curl_has_placeholders(analysis):
    told = build(analysis).details[2].detail
    assert '-u partner-7:"$CLIENT_SECRET"' in told.curl
    assert "secret:" not in told.curl
    assert 'refresh_token=$REFRESH_TOKEN"' in build(analysis).details[1].detail.curl


# --- nothing to tell --------------------------------------------------------------------------------------------------


def test_no_failures():
    healthy = story.analysed(story.sign_in(1, story.START, "web-app", uri=story.HTTPS))
    page = Page(render(healthy))
    assert "No OAuth exchange failed. 3 OAuth exchanges in 1 OAuth flow were read" in page.text
    assert "article" not in page.tags


def test_no_oauth_at_all():
    reading = story.reading("access.log", "nginx-combined", records=5120)
    reading.hosts.update({"www.acme.test": 5000, "cdn.acme.test": 120})
    page = Page(render(Analysis(story.analysed([]).exchanges, story.analysed([]).failures, [reading])))
    assert "0 of 5,120 requests look like OAuth." in page.text
    assert "Hosts seen: www.acme.test, cdn.acme.test." in page.text


def test_nothing_read():
    page = Page(render(story.analysed([])))
    assert "0 of 0 records look like OAuth." in page.text


def test_without_times():
    rows = story.rows()[:400:3]
    for one in rows:
        one["time"] = None
    page = Page(render(story.analysed(rows)))
    assert "without times" in page.text


@pytest.mark.parametrize("cause", list(causes()))
def test_any_cause_renders(cause):
    rows = story.sign_in(1, story.START, "web-app", uri=story.HTTPS, fails=True)
    rows += story.sign_in(20, story.START + timedelta(minutes=1), "web-app", uri=story.HTTPS)
    analysis = story.with_causes(story.analysed(rows), {"authorization": (cause, 0.3)})
    page = Page(render(analysis))
    assert causes()[cause].title in page.text
    assert cause in texts()["statements"]


# --- hostile strings --------------------------------------------------------------------------------------------------


EVIL = (
    "</script><script>alert(1)</script>",
    "</style><style>*{display:none}",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "<!--", "]]>", "&lt;b&gt;", "${7*7}", "`rm -rf /`", "$(reboot)",
    "a\u202eb\u2066c\u200bd\x00\x1b[31m\x07\ufeff\u2028",
    "Z" + "\u0301" * 500,
    "x" * 1_000_000,
    "<" * 5000,
    "| [a](javascript:alert(1)) ```",
)  # fmt: skip
TEXT = [c.name for c in exchange.COLUMNS if c.dtype == pl.String]
KEPT = ("id", "step", "method", "grant_type", "provider", "scheme")


@pytest.fixture(scope="module")
def hostile():
    rows = []
    for n, evil in enumerate(EVIL):
        for i, one in enumerate(
            story.sign_in(100 * n + 1, story.START + timedelta(minutes=n), evil, uri=evil, fails=n % 2 == 0)
        ):
            rows.append(
                one
                | {name: evil for name in TEXT if name not in (*KEPT, *story.base(0, None))}
                | {
                    "host": evil,
                    "path": evil,
                    "url": evil,
                    "source_file": evil,
                    "error": evil if i != 1 else None,
                    "status": 400,
                    "scope": f"{evil} x",
                }
                | (dict.fromkeys(("method", "grant_type", "provider", "scheme"), evil) if i == 2 else {})
            )
    analysis = story.analysed(rows)
    for reading in analysis.inputs:
        reading.file = EVIL[0]
        reading.notes += EVIL
        for evil in EVIL:
            reading.reject(1, evil, evil)
    return analysis


@pytest.mark.parametrize("share", [False, True])
def test_nothing_from_a_log_is_markup(hostile, share):
    html = render(hostile, share=share)
    page = Page(html)
    assert page.tags["script"] == page.tags["style"] == 1
    assert not page.tags["img"]
    assert not [a for a in page.attributes if a[1].startswith("on") or a[1] == "style"]
    links = {value for _, name, value in page.attributes if name in ("href", "src", "action")}
    saved = {link for link in links if link.startswith("data:application/json;base64,")}
    assert len(saved) == 1
    assert {link[:1] for link in links - saved} <= {"#"}
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\u2028\x00-\x08\x0b-\x1f\ufeff]", html)
    assert "49" not in re.findall(r"7 \* 7|49(?=\{)", html)
    assert "\u0301" * 3 not in html
    assert len(html.encode()) < 2_000_000
    assert max(map(len, re.findall(r">([^<]*)<", html[: html.rindex("<script>")][html.index("</style>") :]))) < 20_000


def test_a_shell_gets_nothing_to_run(hostile):
    for incident in build(hostile).details:
        quoted = re.sub(r"'[^']*'", "", (incident.detail.curl or "").replace("'\"'\"'", ""))
        assert "$(" not in quoted
        assert "`" not in quoted
        assert "$(reboot)" not in incident.detail.check.command


def test_mermaid_has_no_syntax_from_logs(hostile):
    for incident in build(hostile).details:
        for line in incident.detail.timeline.mermaid.splitlines()[1:]:
            assert line.startswith("  ")
            assert not re.search(r"[;#<{}`]", line.replace("->>", "").replace("--x", ""))


def test_visible():
    assert visible.visible("a\u202eb\x07") == "a⟨U+202E⟩b⟨U+0007⟩"
    assert visible.visible("two\nlines") == "two ⏎ lines"
    assert visible.visible("x" * 500, 10) == "xxxxxxxxxx… (500 characters)"
    assert visible.visible(None) == ""


# --- size and speed ---------------------------------------------------------------------------------------------------


def many(analysis, times):
    copies = pl.DataFrame({"copy": range(times)})
    suffix = pl.col("copy").cast(pl.String)

    def grown(frame):
        every = frame.join(copies, how="cross").with_columns(
            pl.concat_str("id", suffix),
            pl.concat_str("flow", suffix),
            pl.col("time") + pl.duration(milliseconds=pl.col("copy")),
        )
        busy = pl.when(pl.col("copy") % 3 == 0).then("client_id").otherwise(pl.concat_str("client_id", suffix))
        return every.with_columns(client_id=busy, n=pl.col("n") * times + pl.col("copy")).drop("copy").sort("n")

    return Analysis(grown(analysis.exchanges), grown(analysis.failures), analysis.inputs)


def test_a_thousand_failures_render_within_a_second(analysis):
    big = many(analysis, 20)
    assert big.failures.height == 1000
    begun = time.perf_counter()
    html = render(big)
    assert time.perf_counter() - begun < 3  # 0.2 s on an idle machine
    assert len(html.encode()) < 1_000_000


def test_size_is_capped_and_what_is_left_out_is_said(analysis):
    html = render(many(analysis, 400))
    assert len(html.encode()) < 1_500_000
    page = Page(html)
    assert "more are left out here; the JSON output has them all." in page.text
    assert "more are not listed one by one" in page.text
    assert "Details are given for the 30 that do most harm." in page.text


# --- the file -----------------------------------------------------------------------------------------------------------


def test_self_contained(html, shown):
    assert "default-src 'none'" in unescape(html)
    assert not [
        a
        for a in shown.attributes
        if a[1] in ("src", "srcset") or (a[1] == "href" and not a[2].startswith(("#", "data:application/json;base64,")))
    ]
    assert "url(" not in html
    assert "@import" not in html


def test_templates_can_be_overridden(analysis, tmp_path):
    (tmp_path / "read.html.j2").write_text("<p>ours: {{ report.inputs | length }}</p>")
    (tmp_path / "style.css").write_text("body { color: teal }")
    html = render(analysis, template_dir=tmp_path)
    assert "<p>ours: 1</p>" in html
    assert "body { color: teal }" in html
    assert "sha256-" in html


def test_own_title(analysis):
    assert "<title>Monday &lt;3</title>" in render(analysis, title="Monday <3")


def test_the_same_analysis_gives_the_same_page(html):
    assert render(story.morning()) == html


# --- small parts ------------------------------------------------------------------------------------------------------


def test_compare_marks_both_sides():
    first, second = compare("https://a.test/OAuth/cb", "https://a.test/oauth/cb", visible.plain)
    assert [p.text for p in first if p.differs] == ["OA"]
    assert [p.text for p in second if p.differs] == ["oa"]


def test_compare_of_long_values_shows_where_they_differ():
    first, second = compare("a" * 5000 + "x", "a" * 5000 + "y", visible.plain)
    assert first[-1] == ("x", True, 0)
    assert second[-1] == ("y", True, 0)


def test_compare_makes_a_trailing_blank_visible():
    first, _ = compare("https://a.test/cb ", "https://a.test/cb", visible.plain)
    assert first[-1].text == "␠"


@pytest.mark.parametrize(
    ("confidence", "proof", "words"),
    [(0.97, True, "proved"), (0.8, False, "likely, 0.8"), (0.5, False, "possible, 0.5"), (0.12, True, "unclear, 0.12")],
)
def test_confidence_in_words(confidence, proof, words):
    assert badge(confidence, proof=proof).label == words


@pytest.mark.parametrize("cause", list(causes().values()), ids=lambda cause: cause.id)
def test_checks_split_where_the_command_ends(cause):
    check = split_check(cause.remedy.check)
    if check.command:
        assert check.expectation
        assert check.command.count('"') % 2 == 0
    else:
        assert check.expectation == cause.remedy.check
