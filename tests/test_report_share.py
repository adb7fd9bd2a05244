"""A shared report holds no name of the input; and the same name always becomes the same pseudonym."""

from __future__ import annotations

import base64
import re
from html import unescape

import pytest
import report_story as story
from conftest import KEY, SAMPLES

from oauthtrace.analysis import Analysis, analyze
from oauthtrace.causes import causes
from oauthtrace.report.page import render
from oauthtrace.report.pseudonyms import Pseudonyms
from oauthtrace.report.texts import texts

NAMES = (
    "client_id",
    "similar_client",
    "jwt_azp",
    "host",
    "referer_host",
    "client_address",
    "user_agent",
    "source_file",
)
CAPTURES = ("redirect-uri.har", "grant.har", "busy-day.har", "client.har", "scope.har", "server.har", "app.log")


def shared(analysis: Analysis) -> str:
    """All that a shared page says, with what its links hold."""
    page = render(analysis, share=True)
    held = [base64.b64decode(link).decode() for link in re.findall(r"base64,([\w+/=]+)", page)]
    return unescape(page[page.index("</style>") :]) + "".join(held)


def own_words() -> set[str]:
    """Words that stand in the report's own texts, whatever the input."""
    said = [str(texts()), *(f"{cause.title} {cause.meaning} {cause.lookalikes} {cause.remedy}" for cause in causes().values())]  # fmt: skip
    return set(re.findall(r"[\w-]+", " ".join(said)))


@pytest.mark.parametrize("capture", [None, *CAPTURES])
def test_no_name_of_the_input_is_left(capture):
    analysis = analyze([SAMPLES / capture], key=KEY) if capture else story.morning()
    page, common = shared(analysis), own_words()
    names = {name for column in NAMES for name in analysis.exchanges[column].drop_nulls()}
    assert len(names) > 2
    left = [n for n in names if n not in common and re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", page)]
    assert left == [], f"{left} are still in the shared report: see report/pseudonyms.py"
    assert "acme" not in page.lower()


def test_names_that_no_column_lists_are_replaced_too():
    rows = story.rows()
    said = "user 'jdoe' (Jane.Doe@partner.example.org) of tenant 7f3b1c2d-0000-4000-8000-1234567890ab not found on db7.internal, [fe80::1:2] 192.0.2.7, see https://wiki.corp.lan/a/4711"
    for row in rows:
        if row["status"] == 400:
            row |= {"message": said, "error_description": said}
    page = shared(story.analysed(rows))
    for name in ("jdoe", "Jane.Doe", "partner.example.org", "7f3b1c2d", "db7", "fe80", "192.0.2.7", "wiki.corp", "4711"):  # fmt: skip
        assert name not in page, name
    assert "user-1" in page


def test_the_page_says_that_names_are_pseudonyms():
    page = shared(story.morning())
    assert "pseudonyms" in page
    assert re.search(r"client-\d+ sends an http redirect URI", page)
    assert re.search(r"http<mark>.{0,80}</mark>://host-\d+\.example/callback", page)


@pytest.fixture(scope="module")
def show():
    return Pseudonyms(
        clients=["web-app", "api://x y", "a", "code"],
        hosts=["sso.acme.test", "app.acme.test:8443"],
        addresses=["10.0.0.1"],
        files=["/home/me/acme.log"],
        programs=["orderdesk/4.2 python-requests/2.32", "Mozilla/5.0 (X11) Firefox/128.0"],
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "https://sso.acme.test/a?client_id=web-app&redirect_uri=https%3A%2F%2Fapp.acme.test%2Fcb",
            "https://host-1.example/a?client_id=client-1&redirect_uri=https%3A%2F%2Fhost-2.example%2Fcb",
        ),
        ("from 10.0.0.1 to app.acme.test:8443", "from address-1 to host-2.example:8443"),
        ("mail jane.doe@acme.test, again JANE.DOE@acme.test", "mail user-1, again user-1"),
        ("https://www.app.acme.test/", "https://www.host-2.example/"),
        ("client api://x y", "client client-2"),
        ("/home/me/acme.log", "file-1"),
        ("a code is a code", "a code is a code"),
        ("a", "client-3"),
        ("client_id=a", "client_id=client-3"),
        ("orderdesk/4.2 python-requests/2.32", "software-1"),
        ("orderdesk failed in python-requests", "program-1 failed in python-requests"),
        ("at 10:43:47 it was orders.read", "at 10:43:47 it was orders.read"),
        ("/users/81723/orders/9a8b7c6d5e4f3a2b", "/users/id-1/orders/id-2"),
        ("user:1a2b3c4d secret:1a2b3c4d", "user:1a2b3c4d secret:1a2b3c4d"),
        ("login.microsoftonline.com refused", "host-3.example refused"),
        ("HTTP/1.1 v2.0 .well-known/openid-configuration", "HTTP/1.1 v2.0 .well-known/openid-configuration"),
    ],
)
def test_what_is_replaced_and_what_stays(show, text, shown):
    assert show(text) == shown


def test_nothing_behind_the_cut_gets_out(show):
    long = "web-app " * 400 + "sso.acme.test"
    assert "acme" not in show(long, 100)
    assert "web-app" not in show(long, 2000)
    for most in range(1, 40):
        assert "web-app" not in show("x" * most + " web-app " * 50, most)


def test_another_domain_of_the_house_is_recognised(show):
    assert show("unseen.acme.test").endswith(".example")
    assert "acme" not in show("acme-portal/4.2")
