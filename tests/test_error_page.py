"""A sign-in page with status 200 that holds the provider's own error code is a failure, and its sentence is read."""

from __future__ import annotations

import pytest

from oauthtrace.oauth.observe import RawExchange, observe
from oauthtrace.privacy import Redactor

REDACTOR = Redactor(b"sixteen bytes or more")
CONFIG = '<!DOCTYPE html><html><script>$Config={"strMessage":"%s"};</script></html>'


@pytest.mark.parametrize(
    ("url", "sentence", "code"),
    [
        (
            "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=a1&response_type=code",
            "AADSTS50011: The reply address is not among those configured.",
            "AADSTS50011",
        ),
        ("https://login.microsoftonline.com/common/login", "AADSTS50105: The user has no role.", "AADSTS50105"),
    ],
)
def test_the_code_on_the_page_is_read(url: str, sentence: str, code: str) -> None:
    raw = RawExchange(
        "GET", url, status=200, answer_headers={"content-type": "text/html"}, answer_body=CONFIG % sentence
    )
    row = observe(raw, REDACTOR)
    assert row is not None, "the page was not taken for a part of a sign-in"
    assert (row["step"], row["error_code"]) == ("authorization", code)
    assert "error page" in row["facts"]
    assert sentence in row["message"]


def test_a_page_without_a_code_is_no_failure() -> None:
    url = "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=a1&response_type=code"
    row = observe(
        RawExchange(
            "GET", url, status=200, answer_headers={"content-type": "text/html"}, answer_body=CONFIG % "Sign in"
        ),
        REDACTOR,
    )
    assert row is not None
    assert "error page" not in row["facts"]
