"""What the neighbours of a failed exchange tell: each case is a capture or a log, and what must come of it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import analyse_exchanges, analyse_text, told

from oauthtrace.causes.resemblance import resembling
from oauthtrace.vantage import blind_spot

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
AUTHORIZE = "https://id.test/authorize?response_type=code&client_id=shop&scope=openid&redirect_uri="


def post(at: float, url: str, body: str, status: int, answer: str, **more: object) -> dict:
    """A form posted to a server that answers in JSON."""
    return {
        "at": at,
        "method": "POST",
        "url": url,
        "headers": FORM,
        "body": body,
        "status": status,
        "answer_headers": JSON,
        "answer": answer,
    } | more


def get(at: float, url: str, status: int, **more: object) -> dict:
    return {"at": at, "method": "GET", "url": url, "status": status} | more


METADATA = '{"issuer":"https://id.test","authorization_endpoint":"https://id.test/authorize","token_endpoint":"https://id.test/token","jwks_uri":"https://id.test/jwks","scopes_supported":["openid","reports:read"],"grant_types_supported":["authorization_code","client_credentials"],"response_types_supported":["code"]}'
READ_METADATA = get(0.0, "https://id.test/.well-known/openid-configuration", 200, answer_headers=JSON, answer=METADATA)
CREDENTIALS = "grant_type=client_credentials&client_id=job&client_secret=Ab9-Tulip-Ochre"

ANNOUNCED = {
    "a scope that the metadata lists is not this client's": (
        post(1, "https://id.test/token", f"{CREDENTIALS}&scope=reports:read", 400, '{"error":"invalid_scope"}'),
        "scope/not-allowed",
    ),
    "a scope that the metadata does not list is unknown": (
        post(1, "https://id.test/token", f"{CREDENTIALS}&scope=repots:read", 400, '{"error":"invalid_scope"}'),
        "scope/invalid",
    ),
    "the token endpoint is elsewhere": (
        post(1, "https://id.test/oauth/token", CREDENTIALS, 404, '{"message":"no route"}'),
        "server/wrong-endpoint",
    ),
}


@pytest.mark.parametrize("title", ANNOUNCED)
def test_what_is_announced_is_compared_with_what_is_asked(title: str, tmp_path: Path) -> None:
    exchange, cause = ANNOUNCED[title]
    analysis = analyse_exchanges(tmp_path, [READ_METADATA, exchange])
    assert analysis.failures["cause"].to_list() == [cause], told(analysis)


def test_one_request_follows_a_redirect_and_only_of_the_same_client(tmp_path: Path) -> None:
    moved = post(
        0,
        "http://id.test/oauth/token",
        CREDENTIALS,
        301,
        "",
        answer_headers={"Location": "https://id.test/oauth/token"},
    )
    lost = get(0.1, "https://id.test/oauth/token", 405, answer_headers=HTML, answer="<html>405</html>")
    other = post(
        2,
        "https://id.test/oauth/token",
        "grant_type=client_credentials&client_id=other&client_secret=Quince-7-Basalt",
        502,
        "<html>Bad Gateway</html>",
        answer_headers=HTML,
    )
    analysis = analyse_exchanges(tmp_path, [moved, lost, other])
    flows = analysis.exchanges.sort("source_position")["flow"].to_list()
    assert flows[0] == flows[1], f"the redirect was followed\n  {told(analysis)}"
    assert flows[2] != flows[0], f"the other client did not follow it\n  {told(analysis)}"
    roots = analysis.failures.filter(analysis.failures["caused_by"].is_null())["cause"].to_list()
    assert roots[-1] == "server/unreachable", told(analysis)


def test_a_connection_that_fails_does_not_follow_from_an_answer_that_refuses(tmp_path: Path) -> None:
    redemption = (
        "grant_type=authorization_code&client_id=shop&code=Sorrel-4711-Umber&redirect_uri=https%3A%2F%2Fshop.test%2Fcb"
    )
    refused = post(
        0, "https://id.test/token", redemption, 400, '{"error":"invalid_grant","error_description":"Code expired"}'
    )
    failed = post(1, "https://id2.test/token", redemption, 0, "") | {"status": None, "error": "connect ECONNREFUSED"}
    analysis = analyse_exchanges(tmp_path, [refused, failed])
    roots = analysis.failures.filter(analysis.failures["caused_by"].is_null())["cause"].to_list()
    assert sorted(roots) == ["grant/code-expired", "server/unreachable"], told(analysis)


def test_a_sign_in_that_starts_over_is_a_failure(tmp_path: Path) -> None:
    back = "https://shop.test/cb"
    sign_in = f"{AUTHORIZE}{quote(back, safe='')}&state="
    analysis = analyse_exchanges(
        tmp_path,
        [
            get(0, f"{sign_in}s1", 302, answer_headers={"Location": f"{back}?code=Xk29fLwQ71&state=s1"}),
            get(1, f"{back}?code=Xk29fLwQ71&state=s1", 302, answer_headers={"Location": "/login"}),
            get(1.4, f"{sign_in}s2", 200, answer_headers=HTML, answer="<html><input type=password></html>"),
        ],
    )
    assert analysis.failures["cause"].to_list() == ["binding/state-mismatch"], told(analysis)


def test_a_page_with_status_200_that_refuses_the_request_is_a_failure(tmp_path: Path) -> None:
    page = "<html><h1>Sorry</h1><p>The redirect_uri is not registered for this application.</p></html>"
    bad = f"{AUTHORIZE}https%3A%2F%2Fshop.test%2Fcb"
    analysis = analyse_exchanges(tmp_path, [get(0, bad, 200, answer_headers=HTML, answer=page)])
    assert analysis.failures["cause"].to_list() == ["redirect-uri/unregistered"], told(analysis)


def test_a_login_page_is_none_whatever_it_says(tmp_path: Path) -> None:
    page = "<html><form>Unknown client? Ask support.<input type='password'></form></html>"
    good = f"{AUTHORIZE}https%3A%2F%2Fshop.test%2Fcb"
    analysis = analyse_exchanges(tmp_path, [get(0, good, 200, answer_headers=HTML, answer=page)])
    assert analysis.failures.is_empty(), told(analysis)


def test_a_jwt_under_a_scheme_of_the_framework_is_a_bearer_token(tmp_path: Path) -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiZXhwIjoxNzAwMDAwMDAwfQ.c2ln"
    call = get(
        0,
        "https://api.test/orders",
        401,
        headers={"Authorization": f"JWT {token}"},
        answer_headers=JSON,
        answer='{"detail":"Signature has expired."}',
    )
    analysis = analyse_exchanges(tmp_path, [call])
    assert analysis.failures["cause"].to_list() == ["grant/access-token-expired"], told(analysis)


LINE = '203.0.113.9 - - [04/May/2026:10:00:{:02d} +0000] "GET /authorize?response_type=code&client_id=shop&redirect_uri={} HTTP/1.1" {} 12 "-" "Mozilla/5.0"\n'


def test_an_access_log_that_names_no_host_is_compared_with_itself(tmp_path: Path) -> None:
    good, bad = "https%3A%2F%2Fshop.test%2Fcb", "http%3A%2F%2Fshop.test%2Fcb"
    log = LINE.format(1, good, 302) + LINE.format(1, good, 302) + LINE.format(1, bad, 400)  # all in one second
    analysis = analyse_text(tmp_path, log)
    assert analysis.failures["cause"].to_list() == ["redirect-uri/scheme"], told(analysis)


def test_an_access_log_says_which_setting_would_show_more(tmp_path: Path) -> None:
    log = '203.0.113.9 - - [04/May/2026:10:00:01 +0000] "POST /oauth2/token HTTP/1.1" 400 52 "-" "curl/8"\n'
    (evidence,) = analyse_text(tmp_path, log).failures["evidence"].to_list()
    assert any("$request_body" in sentence for sentence in evidence), evidence


@pytest.mark.parametrize(
    ("step", "status", "sees", "form"),
    [
        ("token", 400, ("body", "answer"), "har"),
        ("jwks", 500, ("query",), "nginx-combined"),
        ("redirection", 400, ("answer",), "har"),
    ],
)
def test_nothing_is_asked_for_that_is_there(step: str, status: int, sees: tuple[str, ...], form: str) -> None:
    assert blind_spot(step, status, sees, form) is None


NO_REFRESH = """\
2026-05-04 10:00:00 INFO  oauth: stored tokens for account 7: refresh_token=None expires_in=3600
2026-05-04 11:00:04 ERROR oauth: GET https://api.test/me -> 401 Unauthorized: invalid_token
"""


def test_a_log_that_stored_no_refresh_token_tells_why_access_ended(tmp_path: Path) -> None:
    analysis = analyse_text(tmp_path, NO_REFRESH)
    assert analysis.failures["cause"].to_list()[-1:] == ["grant/refresh-not-issued"], told(analysis)


def test_a_message_resembles_the_texts_of_its_cause() -> None:
    nearest = [cause for cause, _ in resembling("the clocks of both machines are eleven seconds apart")[:3]]
    assert "server/clock-skew" in nearest
    assert all(0 < cosine <= 1 for _, cosine in resembling("the client secret was rotated yesterday"))
    assert resembling("") == ()


HOSTILE = {
    "values that are no texts": '{"issuer":7,"resource":[1],"token_endpoint":"https://id.test/token","scopes_supported":[1,null,{}],"grant_types_supported":[[]],"token_endpoint_auth_methods_supported":[1],"id_token_signing_alg_values_supported":[{},2]}',
    "lists that are none": '{"issuer":"https://id.test","token_endpoint":"https://id.test/token","scopes_supported":"openid","id_token_signing_alg_values_supported":9,"response_types_supported":null}',
    "an endpoint that is no URL": '{"issuer":"https://id.test","token_endpoint":"https://[id","authorization_endpoint":"//","jwks_uri":"x"}',
}


@pytest.mark.parametrize("title", HOSTILE)
def test_metadata_of_any_shape_is_read(title: str, tmp_path: Path) -> None:
    read = get(0, "https://id.test/.well-known/openid-configuration", 200, answer_headers=JSON, answer=HOSTILE[title])
    refused = post(1, "https://id.test/token", f"{CREDENTIALS}&scope=a", 400, '{"error":"invalid_scope"}')
    keys = get(2, "https://id.test/jwks", 200, answer_headers=JSON, answer='{"keys":[1,{"kty":"RSA","kid":[]}]}')
    analysis = analyse_exchanges(tmp_path, [read, refused, keys])
    assert "scope" in analysis.failures["cause"].to_list()[-1], told(analysis)
