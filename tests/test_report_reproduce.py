"""What a reader takes out of the page: a command, a collection for Postman, and a notebook's summary."""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest
import report_story as story
from test_report import EVIL, hostile  # noqa: F401 - a fixture

from oauthtrace.report import curl, postman
from oauthtrace.report.page import render
from oauthtrace.report.reproduce import request
from oauthtrace.report.view import build
from oauthtrace.report.visible import plain

NOTHING = dict.fromkeys(
    ("method", "scheme", "host", "path", "url", "step", "origin", "client_id", "auth_method", "grant_type", "redirect_uri", "scope", "audience",
     "code_fp", "verifier_s256", "refresh_token_fp", "device_code_fp", "request_uri_fp")
)  # fmt: skip
TOKEN = {"method": "POST", "scheme": "https", "host": "id.test", "path": "/token", "step": "token", "grant_type": "authorization_code", "code_fp": "code:0badcafe"}  # fmt: skip
CASES = {
    "basic": (
        {**TOKEN, "client_id": "shop", "auth_method": "client_secret_basic"},
        """curl -si -X POST https://id.test/token \\
  -u shop:"$CLIENT_SECRET" \\
  --data-urlencode grant_type=authorization_code \\
  --data-urlencode "code=$CODE\"""",
        {"CODE": "", "CLIENT_SECRET": ""},
    ),
    "in the form": (
        {**TOKEN, "client_id": "shop", "auth_method": "client_secret_post", "verifier_s256": "x", "redirect_uri": "https://a.test/cb"},
        """curl -si -X POST https://id.test/token \\
  --data-urlencode client_id=shop \\
  --data-urlencode "client_secret=$CLIENT_SECRET" \\
  --data-urlencode grant_type=authorization_code \\
  --data-urlencode redirect_uri=https://a.test/cb \\
  --data-urlencode "code=$CODE" \\
  --data-urlencode "code_verifier=$CODE_VERIFIER\"""",
        {"CLIENT_SECRET": "", "CODE": "", "CODE_VERIFIER": ""},
    ),
    "no client known": (
        {**TOKEN, "auth_method": "client_secret_basic"},
        """curl -si -X POST https://id.test/token \\
  -u "$CLIENT_ID:$CLIENT_SECRET" \\
  --data-urlencode grant_type=authorization_code \\
  --data-urlencode "code=$CODE\"""",
        {"CODE": "", "CLIENT_ID": "", "CLIENT_SECRET": ""},
    ),
    "authorize": (
        {"method": "GET", "scheme": "https", "host": "id.test", "path": "/auth", "step": "authorization", "url": "https://id.test/auth?client_id=a%26b&state=state:0badcafe&scope="},
        """curl -si -X GET https://id.test/auth \\
  -G \\
  --data-urlencode 'client_id=a&b' \\
  --data-urlencode "state=$STATE" \\
  --data-urlencode scope=""",
        {"STATE": ""},
    ),
    "api": (
        {"method": "GET", "scheme": "https", "host": "api.test", "path": "/me", "step": "resource"},
        """curl -si -X GET https://api.test/me \\
  -H "Authorization: Bearer $ACCESS_TOKEN\"""",
        {"ACCESS_TOKEN": ""},
    ),
    "preflight": (
        {"method": "OPTIONS", "scheme": "https", "host": "id.test", "path": "/token", "step": "token", "origin": "https://app.test"},
        """curl -si -X OPTIONS https://id.test/token \\
  -H 'Origin: https://app.test' \\
  -H 'Access-Control-Request-Method: POST'""",
        {},
    ),
}  # fmt: skip


def saved(page):
    return json.loads(base64.b64decode(re.search(r'href="data:application/json;base64,([^"]+)"', page)[1]))


@pytest.mark.parametrize("case", CASES)
def test_command_and_collection(case):
    row, command, variables = CASES[case]
    sent = request(NOTHING | row, plain)
    assert curl.command(sent) == command
    document = json.loads(postman.collection("t", [("n", "d", sent)]))
    assert {variable["key"]: variable["value"] for variable in document["variable"]} == variables
    (item,) = document["item"]
    assert item["request"]["method"] == row["method"]
    assert set(re.findall(r"\{\{(\w+)\}\}", json.dumps(item))) == set(variables)


@pytest.mark.parametrize("row", [{"step": "event", "method": "POST", "host": "id.test"}, {"step": "token", "method": "POST"}, {"host": "id.test"}])  # fmt: skip
def test_what_is_not_known_is_not_made_up(row):
    assert request(NOTHING | row, plain) is None


def test_the_collection_in_the_page_is_of_its_format():
    document = saved(render(story.morning()))
    assert document["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert document["info"]["name"].startswith("41 of 82 sign-ins fail since 09:03")
    assert len(document["item"]) == 3
    for item in document["item"]:
        assert item["name"]
        assert item["request"]["url"]["raw"].startswith("https://sso.acme.test/")
        assert item["request"]["url"]["host"] == ["sso", "acme", "test"]
        assert item["event"][0]["script"]["exec"]
    second = document["item"][1]["request"]
    assert second["auth"]["basic"][0]["value"] == "reports"
    assert {"key": "refresh_token", "value": "{{REFRESH_TOKEN}}"} in second["body"]["urlencoded"]


def test_the_collection_takes_no_variable_and_no_script_from_logs(hostile):  # noqa: F811
    document = saved(render(hostile))
    known = {f"{{{{{variable['key']}}}}}" for variable in document["variable"]}
    assert all(re.fullmatch(r"\{\{[A-Z0-9_]+\}\}", name) for name in known)
    assert set(re.findall(r"\{\{.*?\}\}", json.dumps(document["item"]))) <= known
    scripts = {line for item in document["item"] for event in item["event"] for line in event["script"]["exec"]}
    assert len(scripts) == 1
    assert len(json.dumps(document)) < 500_000


def test_no_collection_where_nothing_can_be_sent():
    (row,) = story.sign_in(1, story.START, "web-app", uri=story.HTTPS, fails=True)
    analysis = story.analysed([row | {"method": None}])
    assert analysis.failures.height
    assert build(analysis).postman == ""
    assert "data:application/json" not in render(analysis)


# --- notebooks ----------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.seen, self.attributes = set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs


def test_a_notebook_shows_verdict_and_incidents():
    html = story.morning()._repr_html_()
    words = unescape(re.sub(r"<[^>]+>", " ", html))
    for part in ("41 of 82 sign-ins fail since 09:03", "web-app", "Rotated refresh token used again", "proved", "still going on"):  # fmt: skip
        assert part in words
    assert len(html) < 5_000


def test_a_notebook_is_given_no_markup_from_logs(hostile):  # noqa: F811
    page = Tags(hostile._repr_html_())
    assert page.seen <= {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "br", "small"}
    assert page.attributes == [("class", "oauthtrace")]
    assert len(EVIL) > 10


def test_a_notebook_shows_that_nothing_failed():
    assert (
        "No OAuth exchange failed." in story.analysed(story.sign_in(1, story.START, "a", uri=story.HTTPS))._repr_html_()
    )
