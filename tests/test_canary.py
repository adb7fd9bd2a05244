"""Canaries: a secret of its own is planted in every secret's place of every source format; nothing that oauthtrace
writes, stores, prints or renders may hold one, neither as it was nor as base64 nor percent-encoded.
"""

from __future__ import annotations

import base64
import html
import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import duckdb
import pytest
from conftest import BASE, KEY, har_entry
from typer.testing import CliRunner

from oauthtrace.analysis import analyze
from oauthtrace.cli import app

IDP, APP, API = "https://id.acme.test", "https://app.acme.test", "https://api.acme.test"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
WEB = LETTERS + "0123456789-_"


class Aviary:
    """Makes canaries as real servers and people make secrets, and knows where each was planted."""

    def __init__(self) -> None:
        self._dice = random.Random(11)
        self.planted: dict[str, str] = {}

    def __call__(self, where: str, kind: str = "token") -> str:
        value = getattr(self, f"_{kind}")()
        return self.planted.setdefault(where, value)

    def _of(self, letters: str, length: int) -> str:
        return (
            self._dice.choice(LETTERS)
            + "".join(self._dice.choices(letters, k=length - 2))
            + self._dice.choice("0123456789")
        )

    def _token(self) -> str:
        return self._of(WEB, 42)

    def _code(self) -> str:
        return "4/0A" + self._of(WEB, 30)

    def _short(self) -> str:
        return self._of(WEB, 12)

    def _secret(self) -> str:
        return self._of(WEB + "~.", 34)

    def _password(self) -> str:
        return f"Kea{self._dice.randrange(1000, 9999)}!{self._of(LETTERS, 6)} &+{self._dice.randrange(100, 999)}"

    def _hex(self) -> str:
        return "".join(self._dice.choices("0123456789abcdef", k=40))

    def _verifier(self) -> str:
        return self._of(WEB + "~.", 64)

    def jwt(self, where: str, claims: dict | None = None, header: dict | None = None) -> str:
        """A JWT whose signature and whose claim ``sub`` are canaries."""
        signature = self(f"{where}, signature", "verifier").replace("~", "x").replace(".", "y")
        self.planted[f"{where}, signature"] = signature
        payload = {
            "iss": IDP,
            "sub": self(f"{where}, subject", "hex"),
            "aud": "web",
            "exp": 1777890000,
            "iat": 1777886400,
            "nonce": self(f"{where}, nonce"),
            **(claims or {}),
        }
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "kid": "k1", **(header or {})}, payload)]
        return ".".join([*(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts), signature])

    def basic(self, where: str, user: str = "web") -> str:
        return "Basic " + base64.b64encode(f"{user}:{self(where, 'secret')}".encode()).decode()


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def exchanges(put: Aviary) -> list[dict]:
    """Every step of the protocol, with a secret in every place that has room for one."""
    state, code = put("state", "short"), put("code", "code")
    sso, app_cookie = put("cookie of the server"), put("cookie of the application")
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
    plain = put("plain code_challenge", "verifier")
    asked = {
        "response_type": "code",
        "client_id": "web",
        "redirect_uri": f"{APP}/cb",
        "scope": "openid",
        "state": state,
        "nonce": put("nonce", "short"),
    }
    out: list[dict] = []

    def add(method: str, url: str, **more: object) -> None:
        out.append({"at": 2.0 * len(out), "method": method, "url": url, **more})

    def token(
        form: dict[str, str], headers: dict[str, str] | None = None, status: int = 400, answer: object = None
    ) -> None:
        body = answer if answer is not None else {"error": "invalid_grant"}
        add(
            "POST",
            f"{IDP}/token",
            headers={**FORM, **(headers or {})},
            body=urlencode(form),
            status=status,
            answer_headers=JSON,
            answer=json.dumps(body),
        )

    add(
        "GET", f"{IDP}/authorize?{urlencode({**asked, 'id_token_hint': put.jwt('id_token_hint'), 'login_hint': 'jo@acme.test'})}",
        headers={**browser, "Cookie": f"sso={sso}; theme=dark", "Referer": f"https://jo:{put('password in Referer', 'short')}@app.acme.test/x?code={put('code in Referer')}"},
        status=302, answer_headers={"Location": f"{APP}/cb?code={quote(code, safe='')}&state={state}&session_state={put('session_state')}", "Set-Cookie": f"sso={put('Set-Cookie')}; HttpOnly"},
    )  # fmt: skip
    add("GET", f"{APP}/cb?code={quote(code, safe='')}&state={state}", headers={**browser, "Cookie": f"sid={app_cookie}"}, status=500, answer_headers={"Content-Type": "text/html"},
        answer=f"<title>Error</title><p>cannot exchange code={code} (state: {state})</p>")  # fmt: skip
    token({"grant_type": "authorization_code", "code": code, "redirect_uri": f"{APP}/cb", "code_verifier": put("verifier", "verifier")}, {"Authorization": put.basic("secret in Basic")},
          answer={"error": "invalid_grant", "error_description": f"Code {code} is expired", "debug": {"refresh_token": put("token in an error"), "code_verifier": put.planted["verifier"]}})  # fmt: skip
    token(
        {
            "grant_type": "authorization_code",
            "code": put("code, second", "code"),
            "client_id": "web",
            "client_secret": put("secret in the body", "secret"),
        },
        status=401,
        answer={"error": "invalid_client"},
    )
    token({"grant_type": "refresh_token", "refresh_token": put("refresh token"), "client_id": "web"})
    token({"grant_type": "password", "username": "jo", "password": put("password", "password"), "client_id": "web"})
    token(
        {
            "grant_type": "client_credentials",
            "client_id": "web",
            "client_assertion": put.jwt("client assertion"),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
    )
    token({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": put.jwt("assertion")})
    token(
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": put("subject token"),
            "actor_token": put("actor token"),
            "subject_token_type": "x",
        }
    )
    token(
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": put("device code"),
            "client_id": "tv",
        }
    )
    token(
        {
            "grant_type": "client_credentials",
            "client_id": "web",
            "scope": f"read {put('token in scope')}",
        }
    )
    token(
        {"grant_type": "authorization_code", "code": put("code, third")},
        {"DPoP": put.jwt("DPoP proof", header={"typ": "dpop+jwt", "jwk": {"kty": "EC", "x": put("DPoP key")}})},
    )
    token({"grant_type": "authorization_code", "code": put("code, fourth")}, status=200,
          answer={"access_token": put("access token"), "refresh_token": put("issued refresh token"), "id_token": put.jwt("issued ID token"), "token_type": "Bearer", "expires_in": 60})  # fmt: skip
    add("POST", f"{IDP}/token", headers=JSON, body=json.dumps({"grant_type": "refresh_token", "refresh_token": put("refresh token in JSON"), "client_secret": put("secret in JSON", "secret")}),
        status=400, answer_headers=JSON, answer=json.dumps({"error": "invalid_request"}))  # fmt: skip
    add(
        "POST",
        f"{IDP}/token?client_secret={put('secret in the query', 'secret')}&code={put('code in the query')}",
        headers=FORM,
        body="grant_type=authorization_code",
        status=400,
        answer_headers=JSON,
        answer="{}",
    )
    add("POST", f"{IDP}/token", headers={"Content-Type": "multipart/form-data; boundary=b"}, status=400, answer_headers=JSON, answer='{"error":"invalid_request"}',
        body=f'--b\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nrefresh_token\r\n--b\r\nContent-Disposition: form-data; name="refresh_token"\r\n\r\n{put("refresh token in multipart")}\r\n--b--\r\n')  # fmt: skip
    add(
        "GET",
        f"{API}/orders",
        headers={"Authorization": f"Bearer {put('bearer token')}"},
        status=401,
        answer_headers={
            "WWW-Authenticate": f'Bearer error="invalid_token", error_description="Token {put.planted["bearer token"]} expired"'
        },
    )
    add(
        "GET",
        f"{API}/orders",
        headers={"Authorization": f"Bearer {put.jwt('JWT as bearer')}"},
        status=403,
        answer_headers=JSON,
        answer='{"error":"insufficient_scope"}',
    )
    add(
        "GET",
        f"{API}/orders",
        headers={"Authorization": put.jwt("JWT without scheme")},
        status=401,
        answer_headers={"WWW-Authenticate": "Bearer"},
    )
    add(
        "GET",
        f"{API}/orders?access_token={put('token in the query')}",
        status=401,
        answer_headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )
    add(
        "POST",
        f"{IDP}/introspect",
        headers={**FORM, "Authorization": put.basic("secret at introspection", "api")},
        body=urlencode({"token": put("introspected token")}),
        status=401,
        answer_headers=JSON,
        answer='{"error":"invalid_client"}',
    )
    add(
        "POST",
        f"{IDP}/revoke",
        headers=FORM,
        body=urlencode(
            {"token": put("revoked token"), "client_secret": put("secret at revocation", "secret"), "client_id": "web"}
        ),
        status=400,
        answer_headers=JSON,
        answer='{"error":"unsupported_token_type"}',
    )
    add("GET", f"{IDP}/authorize?{urlencode({**asked, 'state': put('state, implicit'), 'response_type': 'id_token token'})}", headers=browser, status=302,
        answer_headers={"Location": f"{APP}/cb#access_token={put('token in a fragment')}&id_token={put.jwt('ID token in a fragment')}&state={put.planted['state, implicit']}"})  # fmt: skip
    add(
        "GET",
        f"{IDP}/authorize?{urlencode({**asked, 'code_challenge': plain, 'code_challenge_method': 'plain'})}",
        headers=browser,
        status=400,
        answer_headers={"Content-Type": "text/html"},
        answer=f"<h1>Invalid</h1>code_challenge={plain}",
    )
    add(
        "GET",
        f"{IDP}/authorize?{urlencode({**asked, 'redirect_uri': f'{APP}/cb?token=' + put('token in redirect_uri')})}",
        headers=browser,
        status=400,
    )
    add(
        "GET",
        f"{IDP}/authorize?client_id=web&request_uri={quote(put('request_uri'))}",
        headers=browser,
        status=400,
        answer_headers={"Content-Type": "text/html"},
        answer="<h1>Bad request</h1>",
    )
    add(
        "POST",
        f"{APP}/cb",
        headers={**FORM, **browser, "Origin": IDP},
        body=urlencode(
            {
                "code": put("code in form_post"),
                "id_token": put.jwt("ID token in form_post"),
                "state": put("state in form_post"),
            }
        ),
        status=403,
    )
    add(
        "POST",
        f"{IDP}/device_authorization",
        headers=FORM,
        body="client_id=tv",
        status=200,
        answer_headers=JSON,
        answer=json.dumps(
            {
                "device_code": put("issued device code"),
                "user_code": put("user code", "short"),
                "verification_uri": IDP,
                "expires_in": 60,
            }
        ),
    )
    add("POST", f"{IDP}/par", headers={**FORM, "Authorization": put.basic("secret at PAR")}, body=urlencode({**asked, "request": put.jwt("request object")}), status=201, answer_headers=JSON,
        answer=json.dumps({"request_uri": "urn:ietf:params:oauth:request_uri:" + put("issued request_uri"), "expires_in": 60}))  # fmt: skip
    add("POST", f"{IDP}/register", headers={**JSON, "Authorization": f"Bearer {put('initial access token')}"}, body=json.dumps({"redirect_uris": [f"{APP}/cb"], "client_name": "x"}), status=201, answer_headers=JSON,
        answer=json.dumps({"client_id": "new", "client_secret": put("registered secret", "secret"), "registration_access_token": put("registration token")}))  # fmt: skip
    add(
        "GET",
        f"{IDP}/userinfo",
        headers={"Authorization": f"DPoP {put('DPoP-bound token')}"},
        status=401,
        answer_headers={"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": "n"},
    )
    add(
        "POST",
        f"https://web:{put('secret in the URL', 'short')}@id.acme.test/token",
        headers=FORM,
        body=urlencode({"grant_type": "client_credentials"}),
        status=401,
        answer_headers=JSON,
        answer='{"error":"invalid_client"}',
    )
    add(
        "POST",
        f"{IDP}/token",
        headers=FORM,
        body=urlencode({"grant_type": "refresh_token", "refresh_token": put("refresh token, no answer")}),
        error=f"connect to {IDP}/token?refresh_token={put('token in a transport error')} failed",
    )
    add(
        "GET",
        f"{APP}/cb?error=access_denied&error_description={quote('Denied for session ' + put('token in error_description'))}&state={put('state of an error')}",
        headers=browser,
        status=200,
    )
    add(
        "GET",
        f"{APP}/#/cb?code={put('code behind hash routing')}&state={put('state behind hash routing')}",
        headers=browser,
        status=500,
    )
    add(
        "GET",
        f"{APP}/login?next={quote(quote('/cb?code=' + put('code in an encoded URL')))}&client_id=web&redirect_uri={quote(APP)}",
        headers=browser,
        status=400,
    )
    add(
        "GET",
        f"{IDP}/end_session?id_token_hint={put.jwt('hint at sign-out')}&post_logout_redirect_uri={quote(APP)}&state={put('state at sign-out')}",
        headers=browser,
        status=400,
        answer="unknown",
    )
    return out


# --- the formats ------------------------------------------------------------------------------------------------------


def har(put: Aviary, file: Path) -> None:
    entries = [har_entry(e) for e in exchanges(put)]
    for number, entry in enumerate(entries):
        if number % 2:
            content = entry["response"]["content"]
            content["text"], content["encoding"] = base64.b64encode(content["text"].encode()).decode(), "base64"
    entries.append(
        {
            "startedDateTime": "yesterday",
            "request": {
                "method": "POST",
                "url": 5,
                "headers": [{"name": "Authorization", "value": "Bearer " + put("token in a broken entry")}],
            },
            "response": [],
        }
    )
    entries.append(
        {
            "request": {
                "headers": [{"name": "Cookie", "value": "sid=" + put("cookie in a broken entry")}],
                "queryString": [{"name": "code", "value": put("code in a broken entry")}],
            }
        }
    )
    file.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))


def har_cut_off(put: Aviary, file: Path) -> None:
    text = json.dumps({"log": {"entries": [har_entry(e) for e in exchanges(put)]}})
    file.write_text(text[: len(text) * 9 // 10])


def flows(put: Aviary, file: Path) -> None:
    from mitmproxy import http, io
    from mitmproxy.flow import Error
    from mitmproxy.test import tflow

    with file.open("wb") as out:
        writer = io.FlowWriter(out)
        for exchange in exchanges(put):
            at = BASE.timestamp() + exchange["at"]
            flow = tflow.tflow()
            headers = {**exchange.get("headers", {})}
            flow.request = http.Request.make(
                exchange["method"], exchange["url"].partition("#")[0], exchange.get("body", ""), headers
            )
            flow.request.timestamp_start = at
            if "status" in exchange:
                flow.response = http.Response.make(
                    exchange["status"], exchange.get("answer", ""), exchange.get("answer_headers", {})
                )
                flow.response.timestamp_end = at + 0.1
            else:
                flow.error = Error(exchange["error"], at)
            writer.add(flow)


def _targets(put: Aviary) -> Iterator[tuple[str, str, int, str]]:
    """Method, target, status and referer of everything that an access log sees."""
    code, state = put("code", "code"), put("state", "short")
    yield "GET", f"/cb?code={quote(code, safe='')}&state={state}", 500, "-"
    yield (
        "GET",
        f"/cb?state={put('state, second')}&error=access_denied&error_description=token%20{put('token in error_description')}",
        302,
        "-",
    )
    yield (
        "POST",
        f"/token?grant_type=refresh_token&refresh_token={put('refresh token')}&client_secret={put('secret', 'secret')}",
        400,
        "-",
    )
    yield (
        "GET",
        f"/authorize?response_type=code&client_id=web&state={put('state, third')}&nonce={put('nonce')}&id_token_hint={put.jwt('hint')}",
        400,
        f"{APP}/x?code={put('code in the referer')}",
    )
    yield (
        "GET",
        f"/authorize?response_type=code&client_id=web&redirect_uri={quote(APP + '/cb?token=' + put('token in redirect_uri'))}&code_challenge={put('plain challenge', 'verifier')}",
        400,
        "-",
    )
    yield (
        "GET",
        f"/userinfo?access_token={put('token in the query')}",
        401,
        f"https://jo:{put('password in the referer', 'short')}@app.acme.test/",
    )
    yield "POST", f"/token?username=jo&password={quote(put('password', 'password'))}&grant_type=password", 400, "-"
    yield (
        "GET",
        f"/oauth/callback?code={put('code, second')}?state={put('state after a second question mark')}",
        500,
        "-",
    )
    yield (
        "GET",
        f"/login?next=%2Fcb%3Fcode%3D{put('code in an encoded URL')}%26state%3D{put('state in an encoded URL')}&client_id=web&redirect_uri=x",
        400,
        "-",
    )
    yield "GET", f"/login/oauth2/cb?session_token={put('session token')}&client_id=web&redirect_uri=x", 400, "-"


def _stamp(number: int) -> str:
    return f"{BASE + timedelta(seconds=number):%d/%b/%Y:%H:%M:%S} +0000"


def nginx(put: Aviary, file: Path) -> None:
    lines = [
        f'203.0.113.{n} - - [{_stamp(n)}] "{method} {target} HTTP/1.1" {status} 120 "{referer}" "agent/1"'
        for n, (method, target, status, referer) in enumerate(_targets(put))
    ]
    lines += [
        f'203.0.113.9 - - [{_stamp(n)}] "GET /products/{n} HTTP/1.1" 200 120 "-" "agent/1"' for n in range(20, 80)
    ]
    lines.append(
        f'203.0.113.9 - - [{_stamp(90)}] "GET /cb?code={put("code in a cut line")}&state={put("state in a cut line")}'
    )
    lines.append(f"garbage with oauth access_token={put('token in garbage')} and Bearer {put('bearer in garbage')}")
    file.write_text("\n".join(lines) + "\n")


def json_access(put: Aviary, file: Path) -> None:
    rows: list[dict] = [
        {
            "time": (BASE + timedelta(seconds=n)).isoformat(),
            "remote_addr": "203.0.113.1",
            "request_method": method,
            "request_uri": target,
            "status": status,
            "host": "id.acme.test",
            "http_referer": referer,
        }
        for n, (method, target, status, referer) in enumerate(_targets(put))
    ]
    form = urlencode(
        {
            "grant_type": "refresh_token",
            "refresh_token": put("refresh token in the body"),
            "client_secret": put("secret in the body", "secret"),
        }
    )
    rows.append({"time": BASE.isoformat(), "request": "POST /token HTTP/1.1", "status": 400, "host": "id.acme.test", "request_body": form, "http_authorization": put.basic("secret in Basic"),
                 "http_cookie": f"sid={put('cookie')}; x=1", "resp_body": json.dumps({"error": "invalid_grant", "hint": "code " + put("code in the answer")})})  # fmt: skip
    rows.append({"time": BASE.isoformat(), "request": "GET /cb HTTP/1.1", "status": 302, "host": "app.acme.test", "args": f"code={put('code in args')}&state={put('state in args')}",
                 "sent_http_location": f"/home#access_token={put('token in Location')}", "http_authorization": f"Bearer {put('bearer token')}", "upstream_error": f"reading token={put('token in an upstream error')}"})  # fmt: skip
    lines = [json.dumps(row) for row in rows]
    lines.append(
        f'{{"time":"x","oauth":1,"request_body":"client_secret={put("secret in a broken line", "secret")}","access_token":"{put("token in a broken line")}'
    )
    lines.append(
        json.dumps(
            {
                "oauth": "no access log entry",
                "authorization": "Bearer " + put("bearer in another line"),
                "set-cookie": "sid=" + put("cookie in another line"),
            }
        )
    )
    file.write_text("\n".join(lines) + "\n")


def text(put: Aviary, file: Path) -> None:
    bearer = put("bearer token")
    jwt = put.jwt("JWT in a log")
    said = [
        f"ERROR oauth token exchange failed: invalid_grant code={put('code, key=value', 'code')} client_secret={put('secret, key=value', 'secret')}",
        f'ERROR oauth {{"error":"invalid_grant","request":{{"code":"{put("code, JSON", "code")}","code_verifier":"{put("verifier, JSON", "verifier")}","refresh_token":"{put("refresh, JSON")}"}}}}',
        f"ERROR oauth invalid_client: payload {{'grant_type': 'password', 'username': 'jo', 'password': '{put('password, dict', 'password')}', 'client_secret': '{put('secret, dict', 'secret')}'}}",
        f"ERROR oauth invalid_grant [('code', '{put('code, pairs')}'), ('state', '{put('state, pairs')}')]",
        f'ERROR oauth {{"body":"{{\\"access_token\\":\\"{put("token, JSON in JSON")}\\",\\"error\\":\\"invalid_token\\"}}"}}',
        f'ERROR OAuth2::Error invalid_grant {{"code"=>"{put("code, Ruby")}", :client_secret=>"{put("secret, Ruby", "secret")}"}}',
        f"ERROR oauth2: invalid_grant &{{AccessToken:{put('token, Go')} RefreshToken:{put('refresh, Go')} Expiry:0001}}",
        f"ERROR OAuth2AuthorizationException invalid_grant {{grant_type=[authorization_code], code=[{put('code, Java')}], client_secret=[{put('secret, Java', 'secret')}]}}",
        f"ERROR oauth invalid_grant Array ( [refresh_token] => {put('refresh, PHP')} [client_secret] => {put('secret, PHP', 'secret')} )",
        f"ERROR oauth request failed 401: POST {IDP}/token?refresh_token={put('refresh, URL')} Authorization: {put.basic('secret, Basic')}",
        f"ERROR oauth API refused the token: invalid_token Authorization: Bearer {bearer}",
        f"ERROR oauth headers: {{'Authorization': 'Bearer {put('bearer, dict')}', 'Cookie': 'sid={put('cookie, dict')}; b=2', 'X-Csrf-Token': '{put('token, header')}'}} -> 401 invalid_token",
        f"ERROR oauth cannot verify id_token {jwt}: signature mismatch",
        f"ERROR oauth JWT expired: {put.jwt('JWT, bare')}",
        f"ERROR oauth invalid_token no row for '{put('opaque token', 'token')}' in oauth_access_tokens",
        f"ERROR oauth state mismatch: expected state={put('state, expected')}, got state={put('state, got')}",
        f"ERROR oauth callback failed invalid_grant url={APP}/cb?code={put('code, URL')}&state={put('state, URL')}#id_token={put('token, fragment')}",
        f"ERROR oauth redirect to {IDP}/login?next=%2Fcb%3Fcode%3D{put('code, encoded')}%26state%3D{put('state, encoded')} failed: invalid_request",
        f"ERROR oauth cannot reach https://web:{put('secret, user-info', 'short')}@id.acme.test/token: connection refused",
        f"ERROR OAUTH_CLIENT_SECRET={put('secret, environment', 'secret')} invalid_client",
        f'ERROR oauth curl -u web:x -H "Authorization: DPoP {put("DPoP token")}" -H "DPoP: {put.jwt("DPoP proof")}" {API} returned 401 invalid_token',
        f"ERROR oauth saml bearer failed invalid_grant <access_token>{put('token, XML')}</access_token> assertion={put('assertion')}",
        f"ERROR oauth device flow expired_token device_code={put('device code')} user_code={put('user code', 'short')}",
        f"ERROR oauth request_uri=urn:ietf:params:oauth:request_uri:{put('request_uri')} invalid_request_uri",
        f"ERROR oauth invalid_grant nonce={put('nonce')} sid={put('session id')} session_state={put('session state')}",
    ]
    lines = [f"2026-05-04T10:00:{n:02d}Z {line}" for n, line in enumerate(said)]
    lines += [
        "2026-05-04T10:01:00Z ERROR oauth request that failed with 401 invalid_client:",
        "  POST /token HTTP/1.1",
        f"  Authorization: {put.basic('secret, header dump')}",
        f"  Cookie: sid={put('cookie, header dump')}; other={put('second cookie, header dump')}",
        f"  Set-Cookie: sid={put('Set-Cookie, header dump')}; Path=/; HttpOnly",
        f"  DPoP: {put.jwt('DPoP, header dump')}",
        f"  X-Api-Key: {put('API key, header dump')}",
        "",
        f"  grant_type=refresh_token&refresh_token={put('refresh, body dump')}&client_secret={put('secret, body dump', 'secret')}",
        "Traceback (most recent call last):",
        '  File "/srv/app/auth.py", line 12, in callback',
        f"    token = fetch_token(code='{put('code, traceback')}', client_secret='{put('secret, traceback', 'secret')}')",
        f"oauthlib.oauth2.rfc6749.errors.InvalidGrantError: (invalid_grant) code {put('code, exception')} was refused",
        f'2026-05-04T10:01:02Z DEBUG POST {IDP}/token 400 {{"error":"invalid_grant","refresh_token":"{put("refresh, answer")}"}}',
    ]
    file.write_text("\n".join(lines) + "\n")


def json_logs(put: Aviary, file: Path) -> None:
    """What structured loggers write: the fallback reads it too."""
    rows = [
        {
            "msg": "oauth token request failed",
            "error": "invalid_grant",
            "params": {
                "code": put("code", "code"),
                "code_verifier": put("verifier", "verifier"),
                "client_secret": put("secret", "secret"),
            },
        },
        {
            "message": f"oauth: Bearer {put('bearer token')} rejected: invalid_token",
            "headers": {"authorization": put.basic("secret in Basic"), "cookie": f"sid={put('cookie')}"},
        },
        {
            "level": "error",
            "event": "oauth_refresh_failed",
            "refreshToken": put("refresh token"),
            "accessToken": put("access token"),
            "idToken": put.jwt("ID token"),
            "err": "invalid_grant",
        },
        {
            "level": "error",
            "msg": f"oauth callback /cb?code={put('code in a message')}&state={put('state in a message')} failed with invalid_state",
        },
        {
            "level": "error",
            "msg": "oauth invalid_client",
            "config": {
                "clientSecret": put("secret, camelCase", "secret"),
                "password": put("password", "password"),
                "api_key": put("API key"),
            },
        },
    ]
    file.write_text(
        "\n".join(json.dumps({"ts": f"2026-05-04T10:00:{n:02d}Z", **row}) for n, row in enumerate(rows)) + "\n"
    )


FORMATS: dict[str, tuple[str, str, Callable[[Aviary, Path], None]]] = {
    "har": ("capture.har", "har", har),
    "har, cut off": ("cut.har", "har", har_cut_off),
    "mitmproxy-flow": ("capture.mitm", "mitmproxy-flow", flows),
    "nginx-combined": ("access.log", "nginx-combined", nginx),
    "json-access": ("access.json", "json-access", json_access),
    "text": ("app.log", "text", text),
    "text, JSON lines": ("app.json", "text", json_logs),
}


# --- what is written --------------------------------------------------------------------------------------------------


def written(file: Path, folder: Path) -> dict[str, bytes]:
    """Everything that oauthtrace makes of a file: what it prints, renders and stores."""
    run = CliRunner().invoke
    out: dict[str, bytes] = {}
    db, report = folder / "kept.db", folder / "report.html"
    for form in ("table", "json", "ndjson", "markdown", "sarif", "junit"):
        done = run(app, ["analyze", str(file), "--format", form, "--all"])
        assert done.exit_code == 0, f"analyze --format {form}: {done.output}"
        out[f"--format {form}"] = done.stdout_bytes + done.stderr_bytes
    done = run(app, ["analyze", str(file), "--db", str(db), "--report", str(report)])
    assert done.exit_code == 0, done.output
    out["analyze --db --report"] = done.stdout_bytes + done.stderr_bytes
    out["rejects"] = (
        run(app, ["rejects", "--db", str(db)]).stdout_bytes
        + run(app, ["rejects", "--db", str(db), "--format", "json"]).stdout_bytes
    )
    with duckdb.connect(str(db), read_only=True) as connection:
        for (table,) in connection.execute("select table_name from information_schema.tables").fetchall():
            rows = connection.execute(f'select * from "{table}"').fetchall()
            out[f"table {table}"] = b"\n".join(
                b"|".join(v if isinstance(v, bytes) else str(v).encode("utf-8", "replace") for v in row) for row in rows
            )
    for made in sorted(folder.iterdir()):
        out[made.name] = made.read_bytes()
    analysis = analyze([file], key=KEY)
    out["analysis, frames"] = "\n".join(
        str(row) for frame in (analysis.exchanges, analysis.failures, analysis.flows) for row in frame.iter_rows()
    ).encode("utf-8", "replace")
    out["analysis, repr"] = (repr(analysis) + repr(analysis.inputs)).encode("utf-8", "replace")
    return out


def shapes(value: str) -> dict[str, bytes]:
    """How a value may still be told: as it is, percent-encoded, escaped, and in base64 wherever it begins in a triple of bytes."""
    raw = value.encode()
    out = {
        "raw": raw,
        "percent-encoded": quote(value, safe="").encode(),
        "form-encoded": urlencode({"": value})[1:].encode(),
        "HTML": html.escape(value).encode(),
        "JSON": json.dumps(value)[1:-1].encode(),
    }
    for shift in range(3):
        core = base64.b64encode(b"\0" * shift + raw)[(0, 2, 3)[shift] :]
        core = core.rstrip(b"=")
        out[f"base64, shifted by {shift}"] = core[: len(core) - 2]
    out |= {
        f"{name}, URL-safe": shape.replace(b"+", b"-").replace(b"/", b"_")
        for name, shape in list(out.items())
        if name.startswith("base64")
    }
    return out


@pytest.mark.parametrize("name", FORMATS)
def test_no_canary_gets_out(name: str, tmp_path: Path) -> None:
    file_name, form, make = FORMATS[name]
    source, kept = tmp_path / "in", tmp_path / "kept"
    source.mkdir()
    kept.mkdir()
    put = Aviary()
    make(put, source / file_name)
    analysis = analyze([source / file_name], key=KEY)
    assert analysis.inputs[0].format == form
    assert analysis.failures.height >= 5, "too little was read to prove anything"
    places = written(source / file_name, kept)
    found = []
    for where, value in put.planted.items():
        hits = [
            f"{shape} in {place}: …{content[max(0, at - 60) : at + 12].decode('utf-8', 'replace')}…"
            for place, content in places.items()
            for shape, needle in shapes(value).items()
            if len(needle) >= 8 and (at := content.find(needle)) >= 0
        ]
        if hits:
            found.append(f"{where}: {hits[0]!r} and {len(hits) - 1} more")
    assert not found, f"{len(found)} secrets leak:\n" + "\n".join(found)


@pytest.mark.parametrize("name", ["har", "nginx-combined", "text"])
def test_an_error_of_our_own_tells_no_secret(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect raises in the midst of reading, with raw secrets in the frames of the stack."""
    file_name, _, make = FORMATS[name]
    put = Aviary()
    make(put, tmp_path / file_name)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("oauthtrace.oauth.observe.take_answer", broken)
    monkeypatch.setattr("oauthtrace.sources.text.event_of", broken)
    done = CliRunner().invoke(app, ["analyze", str(tmp_path / file_name)])
    told = done.output + repr(done.exception)
    assert [where for where, value in put.planted.items() if value in told] == []
