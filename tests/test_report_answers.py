"""What a reader asks is answered from the file alone: real captures in, the text of the page out."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from conftest import KEY, SAMPLES

from oauthtrace.analysis import analyze
from oauthtrace.causes import causes
from oauthtrace.report.page import render
from oauthtrace.report.texts import text

CAPTURES = ("redirect-uri.har", "grant.har", "client.har", "scope.har", "server.har", "busy-day.har", "app.log", "nginx-access.log")  # fmt: skip


class Article(HTMLParser):
    """The text of each incident, and of what comes before the first one; drawings and scripts are no text."""

    SILENT = ("svg", "script", "style")

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.parts, self.silent = [""], 0
        self.feed(page)

    def handle_starttag(self, tag, _attrs):
        self.silent += tag in self.SILENT
        if tag in {"article", "footer"}:
            self.parts.append("")

    def handle_endtag(self, tag):
        self.silent -= tag in self.SILENT

    def handle_data(self, data):
        if not self.silent:
            self.parts[-1] += data + " "

    @property
    def texts(self):
        return [re.sub(r"\s+", " ", part) for part in self.parts]


@pytest.fixture(scope="module", params=CAPTURES)
def told(request):
    analysis = analyze([SAMPLES / request.param], key=KEY)
    return analysis, Article(render(analysis)).texts


def between(article, *names):
    """The text between two headings of an incident."""
    begin, end = (text(f"incident.{name}") for name in names)
    assert begin in article, f"no part called {begin!r}"
    return article.partition(begin)[2].partition(end)[0]


def test_what_is_broken(told):
    analysis, (first, *articles, _) = told
    roots = analysis.failures.filter(~analysis.failures["caused_by"].is_not_null())
    assert articles
    for cause in set(roots["cause"]):
        title = causes()[cause].title
        assert f"{title} {cause}" in first, f"{cause} is not in the list"
        assert any(title in article for article in articles), f"{cause} is not told of"


def test_since_when(told):
    analysis, (first, *articles, _) = told
    times = r"\d\d:\d\d"
    assert re.search(times, first)
    if analysis.exchanges["time"].null_count() == 0:
        assert all(re.search(times, article[:600]) for article in articles)


def test_for_whom(told):
    analysis, (first, *_) = told
    hit = set(analysis.failures.filter(~analysis.failures["caused_by"].is_not_null())["client_id"].drop_nulls())
    assert [client for client in hit if client not in first] == []


def test_what_to_change_and_where(told):
    for article in told[1][1:-1]:
        change = between(article, "change", "check")
        readers = [reader for reader in ("App developer", "Gateway operator", "Identity provider's admin") if reader in change]  # fmt: skip
        assert readers, "nobody is told what to do"
        assert len(change) > 100


def test_how_to_check(told):
    for article in told[1][1:-1]:
        assert len(between(article, "check", "changed")) > 30
        assert len(between(article, "changed", "timeline_only")) > 10 or "One of them" in article


def test_how_sure_and_what_was_not_seen(told):
    for article in told[1][1:-1]:
        assert re.search("proved|likely|possible|unclear", article[:300])
        assert text("incident.sure") in article or text("incident.likely_why") in article
        assert len(between(article, "unseen", "else")) > 20
        assert len(between(article, "else", "means")) > 20


def test_what_was_read(told):
    analysis, (*_, last) = told
    for reading in analysis.inputs:
        assert reading.file.rpartition("/")[2] in last
        assert f"{reading.records:,}" in last
    assert "were never stored" in last


def test_no_placeholder_is_left_open(told):
    for part in told[1]:
        assert not re.search(r"(?<!%)\{[a-z_]+\}|\bnan\b|Undefined|\bNone\b(?! stands)", part), part
