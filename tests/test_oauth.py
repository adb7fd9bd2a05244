"""The protocol's pure functions: tables of what goes in and what has to come out."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

import pytest
from conftest import KEY
from hypothesis import given
from hypothesis import strategies as st

from oauthtrace.exchange import SCHEMA, STEPS, frame
from oauthtrace.oauth import endpoints, errors, jwt, parameters, pkce
from oauthtrace.oauth.observe import ACCESS_LOG, RawExchange, observe
from oauthtrace.oauth.redirect_uri import DIFFERENCES, difference, malformed, marks
from oauthtrace.privacy import Redactor

REDACTOR = Redactor(KEY)


def token(header: dict, claims: dict) -> str:
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
        + ".c2ln"
    )


# --- JSON Web Tokens ----------------------------------------------------------------------------------------------------


def test_a_jwt_is_read_without_its_signature() -> None:
    header, claims = jwt.read(token({"alg": "RS256", "kid": "k"}, {"iss": "https://id.test", "aud": ["a", "b"]})) or (
        {},
        {},
    )
    assert (header["kid"], jwt.words(claims["aud"])) == ("k", "a b")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "opaque",
        "eyJ",
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJub25lIn0.x",
        "eyJhbGciOiJub25lIn0.!!.x",
        "a.b.c",
        "eyJhbGciOiJub25lIn0.bnVsbA.x",
        "eyJ.a.b.c.d",
    ],
)
def test_what_is_no_jwt_is_none(text: str | None) -> None:
    assert jwt.read(text) is None


def test_an_unsigned_jwt_is_one() -> None:
    assert jwt.read(token({"alg": "none"}, {"sub": "x"}).removesuffix("c2ln")) is not None


@given(st.text())
def test_no_text_makes_reading_a_jwt_fail(text: str) -> None:
    jwt.read(text)
    jwt.read(f"eyJ{text}")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1777890000, 1777890000.0),
        (1.5, 1.5),
        ("1777890000", None),
        (True, None),
        (None, None),
        ([], None),
        (10**400, None),
    ],
)
def test_numeric_date(value: object, number: float | None) -> None:
    assert jwt.number(value) == number


# --- PKCE ---------------------------------------------------------------------------------------------------------------


def test_s256_is_that_of_the_standards_example() -> None:
    """RFC 7636, appendix B."""
    assert pkce.s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("verifier", "good"),
    [
        ("a" * 42, False),
        ("a" * 43, True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("a" * 43 + "+", False),
        ("a" * 43 + "=", False),
        ("-._~" * 11, True),
        ("", False),
        ("ä" * 43, False),
    ],
)
def test_form_of_a_verifier(verifier: str, good: bool) -> None:
    assert pkce.well_formed(verifier) is good


# --- redirect URIs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "registered", "expected"),
    [
        ("https://app.test/cb", "https://app.test/cb", None),
        (None, "https://app.test/cb", None),
        ("http://app.test/cb", "https://app.test/cb", "scheme"),
        ("https://www.app.test/cb", "https://app.test/cb", "host"),
        ("https://app.test:8443/cb", "https://app.test/cb", "port"),
        ("https://app.test:443/cb", "https://app.test/cb", "encoding"),
        ("http://localhost:3000/cb", "http://localhost:3001/cb", "port"),
        ("http://127.0.0.1:3000/cb", "http://localhost:3000/cb", "host"),
        ("http://app.test/cb", "https://app.test:8443/cb", "scheme"),
        ("https://app.test/callback", "https://app.test/cb", "path"),
        ("https://app.test/CB", "https://app.test/cb", "path"),
        ("https://app.test/cb/", "https://app.test/cb", "trailing-slash"),
        ("https://app.test", "https://app.test/", "trailing-slash"),
        ("https://app.test/cb?next=1", "https://app.test/cb", "query-or-fragment"),
        ("https://app.test/cb#x", "https://app.test/cb", "query-or-fragment"),
        ("https://app.test/a%20b", "https://app.test/a b", "encoding"),
        ("https%3A%2F%2Fapp.test%2Fcb", "https://app.test/cb", "encoding"),
        ("https://app.test/cb ", "https://app.test/cb", "encoding"),
        ("https://APP.test/cb", "https://app.test/cb", "encoding"),
        ("app.test:/cb", "app.test:/other", "path"),
        ("com.app:/cb", "org.app:/cb", "scheme"),
        ("https://app.test:port/cb", "https://app.test/cb", "encoding"),
        ("https://[::1/cb", "https://app.test/cb", "encoding"),
    ],
)
def test_how_two_redirect_uris_differ(sent: str | None, registered: str, expected: str | None) -> None:
    assert difference(sent, registered) == expected


@given(st.text(), st.text())
def test_a_difference_is_a_known_one_and_none_is_equality(a: str, b: str) -> None:
    found = difference(a, b)
    assert found is None or found in DIFFERENCES
    assert (found is None) == (a == b)
    assert (difference(b, a) is None) == (found is None)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("https://app.test/cb", None),
        ("com.example.app:/cb", None),
        ("http://127.0.0.1:51234/cb", None),
        ("https://app.test/cb?u=https://x.test", None),
        (" https://app.test/cb", "white space at an end"),
        ("https://app.test/c b", "white space inside"),
        ("https://app.test/c%252Fb", "percent-encoded twice"),
        ("https%3A%2F%2Fapp.test/cb", "percent-encoded twice"),
        ("https://https://app.test/cb", "two schemes"),
        ('"https://app.test/cb"', "quotes or brackets around it"),
        ("app.test/cb", "no scheme: not an absolute URI"),
        ("/cb", "no scheme: not an absolute URI"),
        ("https://app.test:80a/cb", "the port is no number"),
    ],
)
def test_what_is_wrong_with_a_redirect_uri_alone(uri: str, reason: str | None) -> None:
    assert malformed(uri) == reason


@pytest.mark.parametrize(
    ("sent", "other", "shown"),
    [
        ("http://a.test", "https://a.test", ("http[]://a.test", "http[s]://a.test")),
        ("https://a.test/cb/", "https://a.test/cb", ("https://a.test/cb[/]", "https://a.test/cb[]")),
        ("same", "same", ("same", "same")),
    ],
)
def test_the_differing_characters_are_marked(sent: str, other: str, shown: tuple[str, str]) -> None:
    left, right = marks(sent, other)
    assert tuple("".join(f"[{text}]" if differs else text for text, differs in side) for side in (left, right)) == shown


@given(st.text(), st.text())
def test_marks_keep_every_character(a: str, b: str) -> None:
    left, right = marks(a, b)
    assert ("".join(t for t, _ in left), "".join(t for t, _ in right)) == (a, b)


# --- parameters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "body", "content_type", "values", "carrier"),
    [
        ("a=1&b=%20x+y", None, None, {"a": "1", "b": " x y"}, None),
        (
            "",
            "grant_type=refresh_token&refresh_token=a%2Bb",
            "application/x-www-form-urlencoded",
            {"grant_type": "refresh_token", "refresh_token": "a+b"},
            "form",
        ),
        ("a=query", "a=body", "application/x-www-form-urlencoded", {"a": "body"}, "form"),
        (
            "",
            '{"grant_type":"password","n":1,"gone":null}',
            "application/json",
            {"grant_type": "password", "n": "1"},
            "json",
        ),
        (
            "",
            '{"grant_type":"password"}',
            "application/x-www-form-urlencoded",
            {"grant_type": "password"},
            "json-under-form",
        ),
        ("", "grant_type=password", "application/json", {"grant_type": "password"}, "form-under-other"),
        (
            "",
            '--b\r\nContent-Disposition: form-data; name="code"\r\n\r\nabc\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            {"code": "abc"},
            "multipart",
        ),
        ("", "<xml a='1'/>", "text/xml", {}, "other"),
        ("", '{"cut off":', "application/json", {}, "other"),
        ("a&b=&=c&&d=1", None, None, {"a": "", "b": "", "": "c", "d": "1"}, None),
    ],
)
def test_parameters_of_a_request(
    query: str, body: str | None, content_type: str | None, values: dict[str, str], carrier: str | None
) -> None:
    found = parameters.read(query, body, content_type)
    assert (found.values, found.carrier) == (values, carrier)


def test_a_repeated_parameter_is_noticed_unless_it_may_repeat() -> None:
    found = parameters.read("client_id=a&client_id=b&resource=x&resource=y&utm=1&utm=2", None, None)
    assert (found.values["client_id"], found.repeated) == ("a", ("client_id",))


def test_parameters_do_not_show_themselves() -> None:
    assert "geheim" not in repr(parameters.read("client_secret=geheim", None, None))
    assert "geheim" not in repr(RawExchange("POST", "https://id.test/token", request_body="client_secret=geheim"))


# --- what an answer says --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "media_type", "challenge", "location", "error", "code", "description"),
    [
        (
            '{"error":"invalid_grant","error_description":"Code is gone"}',
            "application/json",
            None,
            None,
            "invalid_grant",
            None,
            "Code is gone",
        ),
        (
            '{"error":"invalid_grant","error_codes":[70008],"error_description":"X"}',
            "application/json",
            None,
            None,
            "invalid_grant",
            "70008",
            "X",
        ),
        (
            '{"errorCode":"E0000011","errorSummary":"Invalid token provided"}',
            "application/json",
            None,
            None,
            "E0000011",
            "E0000011",
            "Invalid token provided",
        ),
        (
            '{"error":{"message":"The code is used","type":"OAuthException","code":100}}',
            "application/json",
            None,
            None,
            "OAuthException",
            "100",
            "The code is used",
        ),
        ('{"message":"Unauthorized"}', "application/json", None, None, None, None, None),
        (
            '[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]',
            "application/json",
            None,
            None,
            "INVALID_SESSION_ID",
            "INVALID_SESSION_ID",
            "Session expired or invalid",
        ),
        (
            "error=bad_verification_code&error_description=The+code+is+old",
            "application/x-www-form-urlencoded",
            None,
            None,
            "bad_verification_code",
            None,
            "The code is old",
        ),
        (
            "<html><title>Bad request</title><body>Error: <b>redirect_uri_mismatch</b></body></html>",
            "text/html",
            None,
            None,
            None,
            None,
            "Bad request. Bad request Error: redirect_uri_mismatch",
        ),
        (
            None,
            "",
            'Bearer realm="x", error="invalid_token", error_description="Token is old"',
            None,
            "invalid_token",
            None,
            "Token is old",
        ),
        (
            None,
            "",
            None,
            "https://app.test/cb?error=access_denied&error_description=No%20thanks&state=1",
            "access_denied",
            None,
            "No thanks",
        ),
        (None, "", None, "https://app.test/cb#error=login_required&state=1", "login_required", None, None),
        ("Bad Request", "text/plain", None, None, None, None, "Bad Request"),
        ("", "", None, None, None, None, None),
    ],
)
def test_what_an_answer_says(
    body: str | None,
    media_type: str,
    challenge: str | None,
    location: str | None,
    error: str | None,
    code: str | None,
    description: str | None,
) -> None:
    said = errors.of_answer(body, media_type, challenge, location)
    assert (said.error, said.description) == (error, description)
    assert code is None or said.code == code


def test_a_redirects_error_comes_before_the_bodys() -> None:
    assert (
        errors.of_answer('{"error":"other"}', "application/json", None, "/cb?error=access_denied").error
        == "access_denied"
    )


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ('Bearer realm="a", error="invalid_token"', {"realm": "a", "error": "invalid_token"}),
        ('Bearer error="insufficient_scope", scope="a b"', {"error": "insufficient_scope", "scope": "a b"}),
        ("Bearer error=invalid_token", {"error": "invalid_token"}),
        (
            'DPoP error="use_dpop_nonce", algs="ES256"\nBearer error="other"',
            {"error": "use_dpop_nonce", "algs": "ES256"},
        ),
        ('Bearer error_description="say \\"please\\""', {"error_description": 'say "please"'}),
        ("Negotiate", {}),
    ],
)
def test_parameters_of_a_challenge(header: str, values: dict[str, str]) -> None:
    assert errors.parse_challenge(header) == values


@given(
    st.text(),
    st.sampled_from(["application/json", "text/html", "text/plain", "application/x-www-form-urlencoded", ""]),
    st.text(),
    st.text(),
)
def test_no_answer_makes_reading_it_fail(body: str, media_type: str, challenge: str, location: str) -> None:
    errors.of_answer(body, media_type, challenge, f"/cb?error={location}")


# --- which step it is -----------------------------------------------------------------------------------------------------

PATHS = {
    "/realms/shop/protocol/openid-connect/auth": "authorization",
    "/realms/shop/protocol/openid-connect/token": "token",
    "/realms/shop/protocol/openid-connect/token/introspect": "introspection",
    "/realms/shop/protocol/openid-connect/certs": "jwks",
    "/realms/shop/protocol/openid-connect/userinfo": "userinfo",
    "/realms/shop/protocol/openid-connect/logout": "end-session",
    "/realms/shop/protocol/openid-connect/revoke": "revocation",
    "/realms/shop/protocol/openid-connect/auth/device": "device-authorization",
    "/realms/shop/protocol/openid-connect/ext/par/request": "par",
    "/realms/shop/clients-registrations/openid-connect": "registration",
    "/realms/shop/.well-known/openid-configuration": "metadata",
    "/common/oauth2/v2.0/authorize": "authorization",
    "/common/oauth2/v2.0/token": "token",
    "/common/oauth2/v2.0/devicecode": "device-authorization",
    "/common/discovery/v2.0/keys": "jwks",
    "/common/oauth2/v2.0/logout": "end-session",
    "/tenant.onmicrosoft.com/b2c_1_signin/oauth2/v2.0/authorize": "authorization",
    "/oauth2/v1/authorize": "authorization",
    "/oauth2/default/v1/token": "token",
    "/oauth2/default/v1/keys": "jwks",
    "/oauth2/v1/introspect": "introspection",
    "/oauth2/default/.well-known/oauth-authorization-server": "metadata",
    "/.well-known/oauth-protected-resource/mcp": "metadata",
    "/authorize": "authorization",
    "/oauth/token": "token",
    "/oidc/register": "registration",
    "/v2/logout": "end-session",
    "/.well-known/jwks.json": "jwks",
    "/o/oauth2/v2/auth": "authorization",
    "/token": "token",
    "/oauth2/v3/certs": "jwks",
    "/login/oauth/authorize": "authorization",
    "/login/oauth/access_token": "token",
    "/login/device/code": "device-authorization",
    "/as/authorization.oauth2": "authorization",
    "/as/token.oauth2": "token",
    "/as/introspect.oauth2": "introspection",
    "/as/par.oauth2": "par",
    "/idp/userinfo.openid": "userinfo",
    "/adfs/oauth2/authorize": "authorization",
    "/adfs/oauth2/token": "token",
    "/adfs/discovery/keys": "jwks",
    "/services/oauth2/authorize": "authorization",
    "/services/oauth2/token": "token",
    "/services/oauth2/revoke": "revocation",
    "/connect/authorize": "authorization",
    "/connect/token": "token",
    "/connect/introspect": "introspection",
    "/connect/endsession": "end-session",
    "/application/o/authorize/": "authorization",
    "/application/o/token/": "token",
    "/application/o/shop/jwks/": "jwks",
    "/oauth2/auth": "authorization",
    "/oauth2/sessions/logout": "end-session",
    "/dialog/oauth": "authorization",
    "/v19.0/oauth/access_token": "token",
    "/api/oauth.v2.access": "token",
    "/oauth/authorize": "authorization",
    "/oauth/v2/keys": "jwks",
    "/o/introspect/": "introspection",
    "/o/revoke_token/": "revocation",
    "/oauth2/token": "token",
    "/oauth2/userInfo": "userinfo",
    "/api/oidc/authorization": "authorization",
    "/api/oidc/token": "token",
    "/dex/auth": "authorization",
    "/dex/token": "token",
    "/dex/keys": "jwks",
}  # fmt: skip
"""Paths of real products, as their documentation gives them."""

ORDINARY = (
    "/", "/index.html", "/products/42", "/api/v1/users", "/api/v1/orders?status=open", "/static/js/token.js", "/tokens", "/docs/oauth/token-guide.html", "/author/ada", "/authors", "/keyset.json",
    "/search?q=token", "/api/devices/12", "/assets/certs.png", "/users/register", "/help/callback-urls", "/blog/authorization-explained", "/parser", "/login", "/logout", "/api/v1/keys/12",
    "/events?state=open", "/shop?code=SUMMER24", "/api?error=true", "/news?error=404&page=2", "/articles?id_token_explained=1", "/wp-login.php", "/revoked-products",
)  # fmt: skip
"""Requests that have nothing to do with OAuth, whatever words they hold."""


@pytest.mark.parametrize(("path", "step"), PATHS.items())
def test_the_step_of_a_products_path(path: str, step: str) -> None:
    assert endpoints.by_path(path) == step


@pytest.mark.parametrize("target", ORDINARY)
def test_an_ordinary_request_is_not_oauth(target: str) -> None:
    raw = RawExchange(
        "GET",
        f"https://shop.test{target}",
        time=0.0,
        status=200,
        answer_headers={"content-type": "text/html"},
        answer_body="<html>ok</html>",
    )
    row = observe(raw, REDACTOR)
    assert row is None, f"{target} was taken for {row and row['step']}"


@pytest.mark.parametrize(
    ("method", "url", "body", "answer", "headers", "step"),
    [
        ("GET", "/sso?response_type=code&client_id=a&redirect_uri=x", None, None, {}, "authorization"),
        ("GET", "/x?client_id=a&request_uri=urn:x", None, None, {}, "authorization"),
        ("POST", "/anything", "grant_type=client_credentials", None, {}, "token"),
        ("POST", "/weird", "code=a&client_secret=b", None, {}, "token"),
        ("GET", "/landing?code=a&state=b", None, None, {}, "redirection"),
        ("GET", "/landing?error=access_denied&state=b", None, None, {}, "redirection"),
        ("GET", "/landing?error=access_denied&error_description=x", None, None, {}, "redirection"),
        ("GET", "/auth/return?code=a", None, None, {}, "redirection"),
        ("POST", "/landing", "code=a&state=b&id_token=c", None, {}, "redirection"),
        (
            "POST",
            "/clients",
            '{"redirect_uris":["https://a.test"]}',
            None,
            {"content-type": "application/json"},
            "registration",
        ),
        ("GET", "/about", None, {"issuer": "https://a.test", "token_endpoint": "https://a.test/t"}, {}, "metadata"),
        ("GET", "/x", None, {"resource": "https://a.test", "authorization_servers": []}, {}, "metadata"),
        ("GET", "/k", None, {"keys": [{"kty": "RSA"}]}, {}, "jwks"),
        ("POST", "/x", None, {"access_token": "a", "token_type": "Bearer"}, {}, "token"),
        ("POST", "/x", None, {"device_code": "a", "user_code": "b"}, {}, "device-authorization"),
        ("POST", "/x", None, {"request_uri": "urn:a", "expires_in": 60}, {}, "par"),
        ("GET", "/orders", None, None, {"authorization": "Bearer abc"}, "resource"),
        ("GET", "/orders", None, None, {"authorization": "DPoP abc"}, "resource"),
        ("GET", "/orders?access_token=a", None, None, {}, "resource"),
        ("OPTIONS", "/oauth2/token", None, None, {}, "token"),
        ("POST", "/oauth2/token", None, None, {}, "token"),
        ("GET", "/orders", None, None, {"authorization": "Basic abc"}, None),
        ("GET", "/orders", None, {"keys": ["a", "b"]}, {}, None),
    ],
)
def test_the_step_by_what_was_sent_and_answered(
    method: str, url: str, body: str | None, answer: object, headers: dict[str, str], step: str | None
) -> None:
    raw = RawExchange(
        method,
        f"https://a.test{url}",
        time=0.0,
        request_headers=headers,
        request_body=body,
        status=200,
        answer_body=json.dumps(answer) if answer else None,
    )
    row = observe(raw, REDACTOR)
    assert (row and row["step"]) == step


def test_a_challenge_tells_a_protected_resource() -> None:
    row = observe(
        RawExchange(
            "GET",
            "https://a.test/mcp",
            status=401,
            answer_headers={"www-authenticate": 'Bearer resource_metadata="https://a.test/m"'},
        ),
        REDACTOR,
    )
    assert row is not None
    assert row["step"] == "resource"


def test_discovery_comes_first() -> None:
    learnt = endpoints.learn(
        {"token_endpoint": "https://a.test/x/y/?p=1", "authorization_endpoint": 5, "jwks_uri": "/relative"}
    )
    assert learnt == {"https://a.test/x/y": "token"}
    row = observe(RawExchange("POST", "https://a.test/x/y", status=500), REDACTOR, learnt)
    assert row is not None
    assert row["step"] == "token"


# --- facts ----------------------------------------------------------------------------------------------------------------

TOKEN = "https://id.test/oauth2/token"
FORM = {"content-type": "application/x-www-form-urlencoded"}
AUTHORIZE = "https://id.test/authorize?response_type=code&client_id=a&scope=openid"


def _basic(text: str) -> dict[str, str]:
    return {**FORM, "authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def _post(
    body: str, headers: dict[str, str] | None = None, answer: object = None, status: int = 400, **more: object
) -> RawExchange:
    text = answer if isinstance(answer, str) or answer is None else json.dumps(answer)
    return RawExchange(
        "POST",
        TOKEN,
        time=0.0,
        request_headers=headers or FORM,
        request_body=body,
        status=status,
        answer_body=text,
        **more,
    )  # type: ignore[arg-type]


FACTS = {
    "no grant_type": _post("code=a&client_secret=b"),
    "no code": _post("grant_type=authorization_code"),
    "no code_verifier": _post("grant_type=authorization_code&code=a"),
    "no client_id": _post("grant_type=authorization_code&code=a"),
    "empty-body": _post(""),
    "empty code": _post("grant_type=authorization_code&code="),
    "repeated client_id": _post("grant_type=refresh_token&client_id=a&client_id=b"),
    "white space around code": _post("grant_type=authorization_code&code=a%0A"),
    "white space around client_secret": _post("grant_type=client_credentials&client_secret=a%20"),
    "placeholder client_id": _post("grant_type=client_credentials&client_id=%24%7BCLIENT_ID%7D"),
    "placeholder client_secret": _post("grant_type=client_credentials&client_secret=your_secret"),
    "client_secret looks like a UUID": _post("grant_type=client_credentials&client_secret=5b0a2f6c-1b7e-4d56-8a43-0f4e12c9a001"),
    "percent signs in client_secret": _post("grant_type=client_credentials&client_secret=a%252Bb"),
    "encoded twice code": _post("grant_type=authorization_code&code=4%252F0A"),
    "verifier-malformed": _post("grant_type=authorization_code&code=a&code_verifier=short"),
    "json body": _post('{"grant_type":"password"}', {"content-type": "application/json"}),
    "json-under-form body": _post('{"grant_type":"password"}'),
    "multipart body": _post('--b\r\nname="grant_type"\r\n\r\npassword', {"content-type": "multipart/form-data; boundary=b"}),
    "form body under another content type": _post("grant_type=password", {"content-type": "text/plain"}),
    "basic malformed": _post("grant_type=client_credentials", {**FORM, "authorization": "Basic !!!"}),
    "basic client_id differs from body": _post("grant_type=client_credentials&client_id=a", _basic("b:c")),
    "basic not form-encoded": _post("grant_type=client_credentials", _basic("a:b+c/d")),
    "empty client_secret": _post("grant_type=client_credentials", _basic("a:")),
    "client_assertion is no JWT": _post("grant_type=client_credentials&client_assertion=abc"),
    "jwt exp is in milliseconds": _post(f"grant_type=client_credentials&client_assertion={token({'alg': 'RS256'}, {'exp': 1777890000000})}"),
    "jwt without kid": _post(f"grant_type=client_credentials&client_assertion={token({'alg': 'RS256'}, {})}"),
    "jwt unsigned": _post(f"grant_type=client_credentials&client_assertion={token({'alg': 'none'}, {})}"),
    "dpop proof is no JWT": _post("grant_type=client_credentials", {**FORM, "dpop": "abc"}),
    "dpop htu differs": _post("grant_type=client_credentials", {**FORM, "dpop": token({"typ": "dpop+jwt"}, {"htm": "POST", "htu": "https://id.test/other"})}),
    "dpop htm differs": _post("grant_type=client_credentials", {**FORM, "dpop": token({"typ": "dpop+jwt"}, {"htm": "GET", "htu": TOKEN})}),
    "answer is not JSON": _post("grant_type=refresh_token", answer="oops", status=200),
    "html answer": _post("grant_type=refresh_token", answer="<!doctype html><title>x</title>", status=200),
    "empty answer": _post("grant_type=refresh_token", answer="", status=200),
    "access_token missing": _post("grant_type=refresh_token", answer={"token_type": "Bearer"}, status=200),
    "access_token under another name": _post("grant_type=refresh_token", answer={"accessToken": "a"}, status=200),
    "token_type missing": _post("grant_type=refresh_token", answer={"access_token": "a"}, status=200),
    "expires_in is a string": _post("grant_type=refresh_token", answer={"access_token": "a", "token_type": "b", "expires_in": "60"}, status=200),
    "expires_in unusable": _post("grant_type=refresh_token", answer={"access_token": "a", "token_type": "b", "expires_in": -1}, status=200),
    "error inside 200": _post("grant_type=refresh_token", answer={"error": "invalid_grant"}, status=200),
    "form-encoded answer": _post("grant_type=refresh_token", answer="access_token=a&token_type=b", status=200),
    "no refresh token issued": _post("grant_type=authorization_code&code=a", answer={"access_token": "a", "token_type": "b"}, status=200),
    "retry-after": _post("grant_type=refresh_token", status=429, answer_headers={"retry-after": "5"}),
    "dpop nonce offered": _post("grant_type=refresh_token", answer_headers={"dpop-nonce": "x"}),
    "no access-control-allow-origin": RawExchange("OPTIONS", TOKEN, request_headers={"origin": "https://spa.test"}, status=200, answer_headers={"server": "x"}),
    "parameters in query": RawExchange("POST", TOKEN + "?grant_type=refresh_token", status=400),
    "no code_challenge": RawExchange("GET", AUTHORIZE, status=302),
    "no state": RawExchange("GET", AUTHORIZE, status=302),
    "no redirect_uri": RawExchange("GET", AUTHORIZE, status=400),
    "redirected with error": RawExchange("GET", AUTHORIZE, status=302, answer_headers={"location": "https://app.test/cb?error=access_denied"}),
    "redirected with code": RawExchange("GET", AUTHORIZE, status=302, answer_headers={"location": "https://app.test/cb?code=a"}),
    "answer went to another redirect_uri": RawExchange("GET", f"{AUTHORIZE}&redirect_uri={quote('https://app.test/cb')}", status=302, answer_headers={"location": "https://other.test/cb?error=x"}),
    "state changed in redirect": RawExchange("GET", f"{AUTHORIZE}&state=a", status=302, answer_headers={"location": "https://app.test/cb?code=a&state=b"}),
    "scope delimited by other than a blank": RawExchange("GET", AUTHORIZE.replace("openid", "openid,email"), status=400),
    "redirect_uri: white space at an end": RawExchange("GET", f"{AUTHORIZE}&redirect_uri=https://app.test/cb%20", status=400),
    "error in redirection": RawExchange("GET", "https://app.test/cb?error=access_denied&state=a", status=200),
    "placeholder bearer token": RawExchange("GET", "https://api.test/x", request_headers={"authorization": "Bearer undefined"}, status=401),
    "empty bearer token": RawExchange("GET", "https://api.test/x", request_headers={"authorization": "Bearer "}, status=401, answer_headers={"www-authenticate": "Bearer"}),
    "bearer scheme twice": RawExchange("GET", "https://api.test/x", request_headers={"authorization": "Bearer bearer:abc"}, status=401),
    "bearer scheme missing": RawExchange("GET", "https://api.test/x", request_headers={"authorization": token({"alg": "RS256"}, {})}, status=401, answer_headers={"www-authenticate": "Bearer"}),
    "bearer token cut off": RawExchange("GET", "https://api.test/x", request_headers={"authorization": "Bearer eyJhbGciOiJSUzI1NiJ9.eyJ"}, status=401),
    "token in query": RawExchange("GET", "https://api.test/x?access_token=a", status=401),
    "redirected to a login page": RawExchange("POST", TOKEN, request_body="grant_type=refresh_token", status=302, answer_headers={"location": "https://id.test/login?x=1"}),
    "issuer missing": RawExchange("GET", "https://id.test/.well-known/openid-configuration", status=200, answer_body="{}"),
    "no keys": RawExchange("GET", "https://id.test/.well-known/jwks.json", status=200, answer_body='{"keys":[]}'),
    "key without alg": RawExchange("GET", "https://id.test/.well-known/jwks.json", status=200, answer_body='{"keys":[{"kty":"RSA"}]}'),
    "cookie SameSite=Strict set": RawExchange("GET", AUTHORIZE, status=200, answer_headers={"set-cookie": "a=b; SameSite=Strict"}),
}  # fmt: skip


@pytest.mark.parametrize(("fact", "raw"), FACTS.items(), ids=FACTS.keys())
def test_a_fact_is_noticed(fact: str, raw: RawExchange) -> None:
    row = observe(raw, REDACTOR)
    assert row is not None, "not taken for OAuth"
    assert fact in row["facts"]


def test_a_good_exchange_has_no_bad_facts() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    form = {
        "grant_type": "authorization_code",
        "code": "SplxlOBeZQQYbYS6WxSbIA",
        "redirect_uri": "https://app.test/cb",
        "client_id": "a",
        "code_verifier": verifier,
    }
    answer = {"access_token": "x", "token_type": "Bearer", "expires_in": 60, "refresh_token": "y"}
    row = observe(_post(urlencode(form), _basic("a:abcdefgh"), answer, 200), REDACTOR)
    assert row is not None
    assert set(row["facts"]) <= {"no audience", "no resource", "no scope", "no client_secret"}
    assert (row["auth_method"], row["client_id"], row["verifier_s256"]) == (
        "client_secret_basic",
        "a",
        pkce.s256(verifier),
    )
    assert row["code_fp"] == REDACTOR.fingerprint("code", form["code"])


def test_what_an_access_log_does_not_show_is_not_called_absent() -> None:
    row = observe(RawExchange("POST", TOKEN, status=401, sees=ACCESS_LOG), REDACTOR)
    assert row is not None
    assert [f for f in row["facts"] if f.startswith("no ")] == []
    assert row.get("auth_method") is None


def test_a_challenge_that_is_hashed_is_kept_and_a_plain_one_is_not() -> None:
    hashed = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    s256 = observe(RawExchange("GET", f"{AUTHORIZE}&code_challenge={hashed}&code_challenge_method=S256"), REDACTOR)
    plain = observe(RawExchange("GET", f"{AUTHORIZE}&code_challenge={hashed}"), REDACTOR)
    assert s256 is not None
    assert plain is not None
    assert s256["code_challenge"] == hashed
    assert hashed not in str(plain)


def test_a_client_id_is_no_secret_however_random() -> None:
    row = observe(_post("grant_type=client_credentials&client_id=Zk3vQ9mT1xWc7LrB5nHs8yPd2fJg6uAe"), REDACTOR)
    assert row is not None
    assert row["client_id"] == "Zk3vQ9mT1xWc7LrB5nHs8yPd2fJg6uAe"


TEXT = st.text(st.characters(), max_size=60)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "authorization",
            "content-type",
            "cookie",
            "set-cookie",
            "location",
            "www-authenticate",
            "date",
            "dpop",
            "origin",
            "referer",
            "user-agent",
            "server",
        ]
    ),
    st.one_of(
        TEXT,
        st.sampled_from(
            ["Bearer a", "Basic YTpi", "application/json", "https://[x", "Basic \udcff", "eyJhbGciOiJub25lIn0.e30."]
        ),
    ),
)
BODIES = st.one_of(st.none(), TEXT, st.dictionaries(st.sampled_from(sorted(parameters.OAUTH_NAMES)), TEXT).map(lambda pairs: urlencode(pairs, errors="surrogatepass")), st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda x: st.dictionaries(st.sampled_from(["error", "keys", "access_token", "expires_in", "issuer", "scope", "code", "a"]), x) | st.lists(x), max_leaves=8).map(json.dumps))  # fmt: skip


@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS", ""]),
    url=st.one_of(
        TEXT,
        TEXT.map(lambda t: f"https://id.test/oauth2/token?{t}"),
        TEXT.map(lambda t: f"https://{t}/authorize?client_id=a&redirect_uri={t}"),
        TEXT.map(lambda t: f"/cb?code={t}&state=#{t}"),
    ),
    time=st.one_of(st.none(), st.floats()),
    headers=HEADERS,
    body=BODIES,
    status=st.one_of(st.none(), st.integers(-5, 1000)),
    answer_headers=HEADERS,
    answer=BODIES,
)
def test_no_exchange_makes_observing_it_fail(method, url, time, headers, body, status, answer_headers, answer) -> None:
    raw = RawExchange(
        method,
        url,
        time=time,
        request_headers=headers,
        request_body=body,
        status=status,
        answer_headers=answer_headers,
        answer_body=answer,
    )
    row = observe(raw, REDACTOR)
    if row is not None:
        assert row["step"] in STEPS
        assert row.keys() <= SCHEMA.keys()
        assert frame([row]).height == 1
