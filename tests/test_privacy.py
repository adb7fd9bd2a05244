"""What is secret, what is not, and that a fingerprint is all that is left of a secret."""

from __future__ import annotations

import hmac
import re
import stat
from urllib.parse import quote

import pytest
from conftest import KEY
from hypothesis import example, given
from hypothesis import strategies as st

from oauthtrace.privacy import SECRET_HEADERS, Redactor, load_key

REDACTOR = Redactor(KEY)
RANDOM = "n7Qw2ZrT9xLk4VbE8sYd"
LONG = "Zk3vQ9mT1xWc7LrB5nHs8yPd2fJg6uAe"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkLnRlc3QiLCJzdWIiOiI0MiJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"

SECRETS = st.text(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~", min_size=20, max_size=64
).filter(
    lambda s: (
        sum(c.isdigit() for c in s) >= 3
        and sum(c.isalpha() for c in s) >= 6
        and len(set(s)) >= 12
        and s[0].isalnum()
        and s[-1].isalnum()
    )
)
"""Values as servers make them up."""

MUST = {
    # --- application and library logs
    "query in a log line": f"GET /cb?code={RANDOM}&state=ok-{RANDOM} 302",
    "key=value": f"token exchange failed code={RANDOM} client_id=web",
    "key: value": f"authorization_code: {RANDOM}",
    "key = 'value'": f"refresh_token = '{RANDOM}'",
    "JSON": f'{{"refresh_token":"{RANDOM}","scope":"read"}}',
    "JSON in JSON": f'{{"body":"{{\\"access_token\\":\\"{RANDOM}\\"}}"}}',
    "JSON, pretty": f'{{\n  "client_secret" : "{RANDOM}"\n}}',
    "Python dict": f"{{'grant_type': 'refresh_token', 'refresh_token': '{RANDOM}'}}",
    "Python bytes": f"{{b'code': b'{RANDOM}'}}",
    "Ruby hash": f'{{"code"=>"{RANDOM}", "state"=>"{RANDOM}"}}',
    "Ruby hash of symbols": f'{{:client_secret=>"{RANDOM}"}}',
    "Go struct": f"&{{AccessToken:{RANDOM} TokenType:Bearer RefreshToken:{RANDOM}}}",
    "Java map": f"{{grant_type=[authorization_code], code=[{RANDOM}]}}",
    "PHP array": f"[refresh_token] => {RANDOM}",
    "logfmt, quoted": f'level=error access_token="{RANDOM}" msg=failed',
    "percent-encoded pair": f"url=https%3A%2F%2Fapp.test%2Fcb%3Fcode%3D{RANDOM}%26state%3Dabcdef12345",
    "YAML": f"client_secret: {RANDOM}",
    "environment": f"OAUTH_CLIENT_SECRET={RANDOM}",
    "camelCase": f"clientSecret: '{RANDOM}', accessToken: '{RANDOM}'",
    "prefixed name": f"github_client_secret={RANDOM}",
    # --- headers
    "Bearer": f"Authorization: Bearer {RANDOM}",
    "Bearer in curl": f"curl -H 'Authorization: Bearer {RANDOM}' https://api.test/",
    "Basic": "Authorization: Basic d2ViLWFwcDpzM2NyM3QtcGFzc3cwcmQ=",
    "Basic in a dict": "{'Authorization': 'Basic d2ViLWFwcDpzM2NyM3QtcGFzc3cwcmQ='}",
    "DPoP scheme": f"authorization: DPoP {RANDOM}",
    "lower-case bearer": f"bearer {RANDOM} was refused",
    "Cookie": f"Cookie: session={RANDOM}; theme=dark",
    "Set-Cookie": f"Set-Cookie: session={RANDOM}; HttpOnly; Secure",
    "X-Api-Key": f"X-Api-Key: {RANDOM}",
    # --- bare
    "JWT": f"cannot verify {JWT} with key 1",
    "JWT cut off": f"cannot verify {JWT[:60]} with key 1",
    "unsigned JWT": "token eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9. refused",
    "long opaque": f"could not find token {LONG} in the store",
    "opaque in quotes": f'no row for "{LONG}"',
    "user:password in a URL": f"GET https://web:{RANDOM}@id.test/token",
}

MUST_NOT = (
    "The redirect_uri https://app.example.com/callback is not registered for client web-app",
    "error=invalid_grant error_description=Code not valid",
    '{"error":"invalid_client","error_description":"Client authentication failed"}',
    "error code: redirect_uri_mismatch",
    "status code: 401",
    "HTTP status code=400",
    "exit code: 137",
    "state: expired",
    "token: expired",
    "The authorization code has expired",
    "code_challenge_method=S256",
    "grant_type=authorization_code",
    "client_id=3MVG9lKcPoNINVBIPJjdw1J9LLM82HnFVVX19KY1uA5mu0QqEWhqKpoW3svG3XHrXDiCQjK1mdgAvhCscA9GE",
    "trace id 4bf92f3577b34da6-a3ce929d0e0e4736",
    "correlation 5b0a2f6c-1b7e-4d56-8a43-0f4e12c9a001",
    "AADSTS70008: The provided authorization code or refresh token has expired due to inactivity.",
    "scope=openid profile email",
    "token_type=Bearer",
    'WWW-Authenticate: Bearer realm="api", error="invalid_token"',
    "WWW-Authenticate: Basic realm=oauth",
    "at org.springframework.security.oauth2.client.endpoint.DefaultAuthorizationCodeTokenResponseClient.getTokenResponse(DefaultAuthorizationCodeTokenResponseClient.java:81)",
    '  File "/usr/lib/python3.11/site-packages/requests_oauthlib/oauth2_session.py", line 406, in fetch_token',
    "2026-05-04T10:00:00.123456Z",
    "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    "[FILTERED]",
    'password="[FILTERED]"',
    "client_secret=***",
    "code=null",
    "refresh_token: None",
)


@pytest.mark.parametrize("text", MUST.values(), ids=MUST.keys())
def test_a_secret_does_not_survive(text: str) -> None:
    clean = REDACTOR.text(text)
    for secret in (RANDOM, LONG, JWT, JWT[:60], "d2ViLWFwcDpzM2NyM3QtcGFzc3cwcmQ=", "eyJzdWIiOiI0MiJ9"):
        assert secret not in clean, clean


@pytest.mark.parametrize("text", MUST_NOT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://app.test/cb?code=abc&state=xyz", "https://app.test/cb?code={code:abc}&state={state:xyz}"),
        (
            "https://app.test/cb#access_token=abc&token_type=Bearer",
            "https://app.test/cb#access_token={token:abc}&token_type=Bearer",
        ),
        (
            "https://app.test/cb?error=access_denied&error_description=No%20thanks",
            "https://app.test/cb?error=access_denied&error_description=No%20thanks",
        ),
        ("https://u:p@id.test/token", "https://{password:u:p}@id.test/token"),
        (
            "https://id.test/a?redirect_uri=https%3A%2F%2Fapp.test%2Fcb",
            "https://id.test/a?redirect_uri=https%3A%2F%2Fapp.test%2Fcb",
        ),
        (
            "https://id.test/a?redirect_uri=https%3A%2F%2Fapp.test%2Fcb%3Ftoken%3Dabc",
            "https://id.test/a?redirect_uri=https://app.test/cb%3Ftoken%3D{token:abc}",
        ),
        ("/cb?code=a%2Fb", "/cb?code={code:a/b}"),
        ("/cb?CODE=abc", "/cb?CODE={code:abc}"),
        ("/cb?c%6Fde=abc", "/cb?c%6Fde={code:abc}"),
        (
            "/a?code_challenge=plain-verifier-plain&client_id=x",
            "/a?code_challenge={verifier:plain-verifier-plain}&client_id=x",
        ),
        ("/a?code_challenge=abc&code_challenge_method=S256", "/a?code_challenge=abc&code_challenge_method=S256"),
        ("/path/without/query", "/path/without/query"),
        ("", ""),
    ],
)
def test_a_url_keeps_all_but_its_secrets(url: str, clean: str) -> None:
    expected = re.sub(r"\{(\w+):([^}]*)\}", lambda m: REDACTOR.fingerprint(m[1], m[2]) or "", clean)
    encoded = expected if "%3D{" not in clean else re.sub(r"(token):([0-9a-f]{8})", r"\1:\2", expected)
    assert REDACTOR.url(url) == encoded


@given(SECRETS)
def test_the_same_secret_has_the_same_mark_everywhere(secret: str) -> None:
    mark = REDACTOR.fingerprint("code", secret)
    assert mark is not None
    assert mark in REDACTOR.url(f"https://app.test/cb?code={quote(secret)}")
    assert mark in REDACTOR.text(f"POST body: grant_type=authorization_code&code={secret}&client_id=web")
    assert mark in REDACTOR.text(f'{{"code": "{secret}"}}')
    assert mark in REDACTOR.text(f"ERROR exchange failed: code={secret}")


@given(st.text(min_size=1), st.sampled_from(["code", "token", "secret"]))
def test_another_key_gives_another_mark(value: str, kind: str) -> None:
    one, other = REDACTOR.fingerprint(kind, value), Redactor(bytes(range(1, 33))).fingerprint(kind, value)
    assert one is not None
    assert re.fullmatch(rf"{kind}:[0-9a-f]{{8}}", one)
    assert one != other


@given(st.text())
def test_the_kind_is_not_part_of_what_is_hashed(value: str) -> None:
    mark, other = REDACTOR.fingerprint("x", value), REDACTOR.fingerprint("y", value)
    assert (mark is None) == (value == "")
    assert (mark or "x:")[2:] == (other or "y:")[2:]


@given(st.one_of(st.text(), st.text("abcXYZ019-_.:=&?#%@/\\\"' {}[]\n", max_size=200)))
@example("Bearer eyJ" + "a" * 40)
@example("code=" + "%" * 30)
@example("https://a@b@c?code=x#y?z#q")
def test_redacting_never_fails_and_twice_is_once(text: str) -> None:
    once = REDACTOR.text(text)
    assert REDACTOR.text(once) == once
    REDACTOR.url(text)


@given(st.sampled_from(sorted(MUST.values())), SECRETS)
def test_redacting_a_log_line_twice_is_once(line: str, secret: str) -> None:
    once = REDACTOR.text(line.replace(RANDOM, secret))
    assert REDACTOR.text(once) == once


@given(SECRETS)
def test_redacting_a_url_twice_changes_nothing_more(secret: str) -> None:
    once = REDACTOR.url(
        f"https://id.test/a?state={secret}&redirect_uri=https%3A%2F%2Fapp.test%2F%3Fcode%3D{secret}#id_token={secret}"
    )
    assert secret not in once
    assert REDACTOR.url(once) == once


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "SET-COOKIE",
        "DPoP",
        "X-Amzn-Oidc-Data",
        "X-Forwarded-Access-Token",
        "X-Auth-Request-Access-Token",
        "X-Api-Key",
    ],
)
def test_headers_that_are_secret(name: str) -> None:
    assert SECRET_HEADERS.match(name)


@pytest.mark.parametrize("name", ["Host", "User-Agent", "WWW-Authenticate", "Location", "Content-Type", "X-Request-Id"])
def test_headers_that_are_not(name: str) -> None:
    assert not SECRET_HEADERS.match(name)


def test_a_redactor_does_not_show_its_key() -> None:
    assert KEY.hex() not in repr(REDACTOR)
    assert "0102" not in repr(REDACTOR)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Redactor(b"short")


def test_the_users_key_is_made_once_and_only_theirs(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("OAUTHTRACE_KEY")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    key = load_key()
    file = tmp_path / "oauthtrace" / "key"
    assert len(key) == 32
    assert load_key() == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_gives_a_key_for_now(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("OAUTHTRACE_KEY")
    (tmp_path / "state").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert len(load_key()) == 32


@pytest.mark.parametrize("length", [16, 32, 64, 65, 200])
def test_a_fingerprint_is_the_beginning_of_an_hmac_sha_256(length: int) -> None:
    key = bytes(range(length))
    expected = hmac.digest(key, b"SplxlOBeZQQYbYS6WxSbIA", "sha256").hex()[:8]
    assert Redactor(key).fingerprint("code", "SplxlOBeZQQYbYS6WxSbIA") == f"code:{expected}"
