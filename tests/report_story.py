"""A morning that went wrong, as frames: what the tests of incidents and report are made of.

From 06:00 to 12:00 five clients sign people in. At 09:03 web-app is deployed without its proxy setting and sends an
http redirect URI; ``reports`` sends a replaced refresh token on the hour; partner-7 gets a wrong secret at 10:40.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from oauthtrace import exchange
from oauthtrace.analysis import Analysis, analyze_frame
from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading

START = datetime(2026, 3, 2, 6, 0)
BROKEN = datetime(2026, 3, 2, 9, 3, 12)
END = datetime(2026, 3, 2, 12, 0)
HTTP, HTTPS = "http://app.acme.test/callback", "https://app.acme.test/callback"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SEES = ["query", "headers", "authorization", "body", "answer", "location"]
IDP = "sso.acme.test"


def base(n, time, **more):
    row = {
        "id": f"{n:016x}", "source_file": "capture.har", "source_format": "har", "source_position": n, "sees": SEES, "time": time,
        "duration_ms": 12.0, "provider": "keycloak", "scheme": "https", "host": IDP, "method": "GET", "facts": [], "status": 200,
    }  # fmt: skip
    row |= more
    row.setdefault("url", f"{row['scheme']}://{row['host']}{row.get('path', '/')}")
    return row


def sign_in(n, time, client, *, uri, fails=False, user=None):
    """The rows of one sign-in: authorize, callback, token; or the refused authorize request."""
    state, code = f"state:{n:08x}", f"code:{n:08x}"
    who = {"client_address": f"10.0.0.{n % 200}", "user_fp": f"user:{(user if user is not None else n):08x}"}
    path = "/realms/shop/protocol/openid-connect/auth"
    asked = {
        "client_id": client,
        "redirect_uri": uri,
        "state_fp": state,
        "scope": "openid profile",
        "response_type": "code",
        "user_agent": FIREFOX,
        **who,
    }
    if fails:
        page = "Invalid parameter: redirect_uri"
        return [
            base(
                n,
                time,
                step="authorization",
                path=path,
                **asked,
                status=400,
                facts=["html answer", "error page"],
                answer_type="text/html",
                message=page,
                error_description=page,
            )
        ]
    secret = {
        "auth_method": "client_secret_basic",
        "secret_fp": f"secret:{sum(map(ord, client)):08x}",
        "secret_length": 32,
    }
    return [
        base(n, time, step="authorization", path=path, **asked, status=302, issued_code_fp=code, facts=["redirected with code"], location=f"{uri}?code={code}&state={state}"),
        base(n + 1, time + timedelta(milliseconds=40), step="redirection", host="app.acme.test", path="/callback", state_fp=state, code_fp=code, user_agent=FIREFOX, provider=None, **who),
        base(n + 2, time + timedelta(milliseconds=52), step="token", method="POST", path="/realms/shop/protocol/openid-connect/token", client_id=client, grant_type="authorization_code",
             code_fp=code, redirect_uri=uri, issued_token_fp=f"token:{n:08x}", expires_in=300.0, user_agent="python-requests/2.32", **secret),
    ]  # fmt: skip


def rows():
    """All rows of the morning."""
    found, n, time, i = [], 1, START + timedelta(seconds=9), 0
    clients = ["web-app", "mobile", "partner-7", "reports", "intranet"]
    while time < END:
        client = clients[0] if i % 2 else clients[1 + (i // 2) % 4]
        fails = client == "web-app" and time >= BROKEN
        uri = (HTTP if fails else HTTPS) if client == "web-app" else f"https://{client}.acme.test/cb"
        found += sign_in(n, time, client, uri=uri, fails=fails, user=i % 60)
        n, i = n + 10, i + 1
        time += timedelta(seconds=99 if time < BROKEN else 130)
    token = {
        "step": "token",
        "method": "POST",
        "path": "/realms/shop/protocol/openid-connect/token",
        "user_agent": "reports/1.4",
    }
    for hour in range(6, 12):
        at, value = datetime(2026, 3, 2, hour, 0, 1), f"refresh:{hour:08x}"
        one = {
            **token,
            "client_id": "reports",
            "grant_type": "refresh_token",
            "refresh_token_fp": value,
            "auth_method": "client_secret_basic",
            "secret_fp": "secret:0000aaaa",
        }
        found.append(
            base(
                n,
                at,
                **one,
                issued_token_fp=f"token:{n:08x}",
                issued_refresh_fp=f"refresh:{hour + 100:08x}",
                expires_in=300.0,
            )
        )
        found.append(
            base(
                n + 1,
                at + timedelta(milliseconds=13),
                **one,
                status=400,
                error="invalid_grant",
                error_description="Maximum allowed refresh token reuse exceeded",
            )
        )
        n += 10
    for minute in (10, 40, 41, 42):
        wrong = minute >= 40
        one = {
            **token,
            "client_id": "partner-7",
            "grant_type": "client_credentials",
            "auth_method": "client_secret_basic",
            "secret_length": 40 if wrong else 32,
            "scope": "orders.read",
        }
        one |= {"secret_fp": "secret:11112222" if wrong else "secret:0badcafe", "user_agent": "partner/7"}
        at = datetime(2026, 3, 2, 10, minute, 5)
        found.append(
            base(
                n,
                at,
                **one,
                **(
                    {
                        "status": 401,
                        "error": "unauthorized_client",
                        "error_description": "Invalid client or Invalid client credentials",
                    }
                    if wrong
                    else {"issued_token_fp": f"token:{n:08x}"}
                ),
            )
        )
        n += 10
    return sorted(found, key=lambda row: row["time"])


CAUSES = {
    "authorization": ("redirect-uri/scheme", 0.98),
    "refresh_token": ("grant/refresh-reused", 0.97),
    "client_credentials": ("client/wrong-secret", 0.96),
}
"""Step or grant -> what the failures of the morning are."""


def with_causes(analysis, causes=CAUSES):
    """The analysis with these causes, proved, and all failures roots: independent of how well the ranking is tuned."""
    key = pl.when(pl.col("grant_type").is_in(list(causes))).then("grant_type").otherwise("step")
    failures = analysis.failures.with_columns(
        cause=key.replace_strict(
            {k: c for k, (c, _) in causes.items()}, default=pl.col("cause"), return_dtype=pl.String
        ),
        confidence=key.replace_strict(
            {k: p for k, (_, p) in causes.items()}, default=pl.col("confidence"), return_dtype=pl.Float64
        ),
        proof=key.is_in(list(causes)),
        caused_by=pl.lit(None, dtype=pl.String),
    )
    return Analysis(analysis.exchanges, failures, analysis.inputs)


def reading(file="capture.har", form="har", **more):
    made = Reading(file, Redactor(b"0" * 16), form)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def analysed(rows, causes=None):
    """The analysis of rows, its causes as the ranking has them, or given."""
    made = analyze_frame(exchange.frame(rows), [reading(exchanges=len(rows), records=len(rows))] if rows else [])
    return with_causes(made, causes) if causes else made


def morning():
    """The analysis of the morning."""
    read = reading(records=120_311, exchanges=300, rejected=2)
    read.reject(88_102, "cut off")
    read.rejected = 2
    read.notes.append("the recorder left out images")
    return with_causes(analyze_frame(exchange.frame(rows()), [read]))
