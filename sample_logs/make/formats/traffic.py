"""The same small day for every gateway: a sign-in that goes through, four that do not, and what else a site serves."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

from flask import Flask, Response, request

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_4 like Mac OS X) AppleWebKit/605.1.15"
DESK = 'Mozilla/5.0 (X11; Linux x86_64; rv:149.0) "quoted" Firefox/149.0'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def portal() -> Flask:
    """The application behind the gateway: its callback shows a page of its own when the sign-in failed."""
    app = Flask(__name__)

    @app.get("/callback")
    def callback() -> Response:
        if "error" in request.args:
            return Response("No sign-in", 403)
        answer = Response("", 302, {"Location": "/"})
        if request.args["state"].startswith("many-cookies"):
            for number in range(4):
                answer.set_cookie(f"session_{number}", "k" * 3000)
        return answer

    @app.get("/<path:path>")
    @app.get("/")
    def page(path: str = "") -> Response:
        return Response(f"page {path}")

    return app


def models() -> Flask:
    """Language models behind a server that takes access tokens, of which one has expired."""
    app = Flask(__name__)

    @app.post("/v1/chat/completions")
    def complete() -> Response:
        if request.headers["Authorization"] != "Bearer still-good":
            error = {"message": "The access token expired at 2026-11-25T10:00:00Z", "code": "invalid_token"}
            challenge = 'Bearer error="invalid_token", error_description="The access token expired"'
            return Response(json.dumps({"error": error}), 401, {"WWW-Authenticate": challenge}, mimetype="application/json")  # fmt: skip
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}
        done = {"id": "c1", "object": "chat.completion", "created": 1, "model": "summary", "choices": [choice]}
        return Response(json.dumps(done), mimetype="application/json")

    return app


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


class Caller:
    """Somebody who sends requests through a gateway, from an address of their own; TLS ends in front of it."""

    def __init__(self, port: int, address: str, agent: str) -> None:
        self.port, self.address, self.agent = port, address, agent
        self.cookies: dict[str, str] = {}

    def send(
        self, method: str, host: str, target: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, str]:
        """One request on a connection of its own; status and Location of the answer, 0 when there is none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5, source_address=(self.address, 0))
        sent = {
            "Host": host,
            "User-Agent": self.agent,
            "Accept": "text/html, */*",
            "X-Forwarded-Proto": "https",
            **headers,
        }
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, target, urlencode(form) if form else None, sent | (FORM if form else {}))
            answer = connection.getresponse()
            answer.read()
            for cookie in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.headers.get("Location", "")
        except (HTTPException, OSError):
            return 0, ""
        finally:
            connection.close()


def authorize(client_id: str, redirect_uri: str, state: str) -> str:
    """Path and query of an authorization request."""
    asked = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "scope": "openid profile", "state": state, "nonce": f"n{state}"}  # fmt: skip
    return f"/oauth/authorize?{urlencode(asked)}"


def day(port: int, secret: str, *, openid_module: bool = False) -> None:
    """All of it, once."""
    browser, other = Caller(port, "127.0.21.7", PHONE), Caller(port, "127.0.21.8", DESK)
    server = Caller(port, "127.0.30.1", "portal/4.2 python-requests/2.32")
    right, wrong = (b64encode(f"portal:{word}".encode()).decode() for word in (secret, "guessed"))
    exchange = {"grant_type": "authorization_code", "code": "q7Yd2LmXw9RrT4", "redirect_uri": "https://portal.acme.test/callback"}  # fmt: skip
    refresh = {"grant_type": "refresh_token", "refresh_token": "never-issued-refresh-token"}

    browser.send("GET", "portal.acme.test", "/")
    browser.send("GET", "portal.acme.test", "/static/site.css", Referer="http://portal.acme.test/")
    server.send("GET", "login.acme.test", "/.well-known/openid-configuration")
    browser.send("GET", "login.acme.test", authorize("portal", "https://portal.acme.test/callback", "8fQ2yLr0vB"))
    other.send("GET", "login.acme.test", authorize("portal", "http://portal.acme.test/callback", "c0Tz51mWqe"))
    other.send("GET", "login.acme.test", authorize("portal", "https://portal.acme.test/callback", "Xb81kPz07n"))
    browser.send("GET", "portal.acme.test", "/callback?code=q7Yd2LmXw9RrT4&state=8fQ2yLr0vB")
    other.send("GET", "portal.acme.test", "/callback?error=access_denied&error_description=The+user+said+no&state=Xb81kPz07n")  # fmt: skip
    other.send("GET", "login.acme.test", authorize("portal", "https://portal.acme.test/callback", "many-cookies-Zr5"))
    other.send("GET", "portal.acme.test", "/callback?code=h3Vn8TzKq0LpWd&state=many-cookies-Zr5")
    server.send("POST", "login.acme.test", "/oauth/token", exchange, Authorization=f"Basic {right}")
    server.send("POST", "login.acme.test", "/oauth/token", exchange, Authorization=f"Basic {wrong}")
    server.send("POST", "down.acme.test", "/oauth/token", refresh, Authorization=f"Basic {right}")
    server.send("POST", "slow.acme.test", "/oauth/token", refresh, Authorization=f"Basic {right}")
    server.send("GET", "login.acme.test", "/oauth/jwks")
    browser.send("GET", "portal.acme.test", "/orders/17?sort=newest")
    if openid_module:
        _relying_party(browser, Caller(port, "127.0.21.9", DESK))


def model_day(port: int) -> None:
    """Calls of two models, one of which refuses the gateway's token."""
    for model in ("summary", "translation", "summary"):
        asked = {"model": model, "messages": [{"role": "user", "content": "Is the gate open?"}]}
        connection = HTTPConnection("127.0.0.1", port, timeout=30, source_address=("127.0.21.7", 0))
        sent = {"Content-Type": "application/json", "Authorization": "Bearer sk-made-up-for-the-sample"}
        connection.request("POST", "/v1/chat/completions", json.dumps(asked), sent)
        connection.getresponse().read()
        connection.close()


def _relying_party(browser: Caller, other: Caller) -> None:
    """The gateway itself signs users in: one whose cookie is lost, one whose code it can't redeem."""
    other.send("GET", "portal.acme.test", "/private/cb?code=q7Yd2LmXw9RrT4&state=lost-with-the-cookie", Referer="http://login.acme.test/")  # fmt: skip
    _, location = browser.send("GET", "portal.acme.test", "/private/orders")
    state = location.partition("state=")[2].partition("&")[0]
    browser.send("GET", "portal.acme.test", f"/private/cb?code=q7Yd2LmXw9RrT4&state={state}")
