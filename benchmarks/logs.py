"""Makes the logs that are measured: a busy site's access log, two lines in a hundred of them OAuth. Same seed, same bytes."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

sys.path.insert(0, str(Path(__file__).parent.parent))
from sample_logs.make.formats import written

SEED = 20260504
OAUTH_SHARE = 0.02
START = datetime(2026, 5, 4, tzinfo=UTC)

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "kube-probe/1.34",
    "okhttp/5.3.0",
)
PAGES = (
    "/",
    "/products",
    "/products/{n}",
    "/cart",
    "/search?q=garden+{n}&page=2",
    "/help/returns",
    "/blog/{n}-how-we-grow",
    "/healthz",
    "/account/orders/{n}",
    "/feed.xml",
)
ASSETS = (
    "/static/css/site.{h}.css",
    "/static/js/app.{h}.js",
    "/static/img/{n}.webp",
    "/static/fonts/inter-{n}.woff2",
    "/favicon.ico",
    "/media/{n}/large.jpg",
)
LOOKALIKES = (
    "/account/login",
    "/account/register?next=%2Fcart",
    "/api/v2/devices/{n}",
    "/help/sign-in-problems",
    "/api/v2/push/token",
    "/keys/{n}/edit",
)
"""Ordinary requests that look like OAuth to a cheap pattern: the readers have to look at them, and to drop them."""
API = (
    "/api/v2/items/{n}",
    "/api/v2/items?limit=50&offset={n}",
    "/api/v2/stock/{n}",
    "/api/v2/prices?sku={h}",
    "/graphql",
    "/api/v2/baskets/{h}/lines",
)
CLIENTS = ("web-shop", "mobile-app", "back-office", "reporting", "partner-gateway")
HOSTS = ("shop.example.com", "api.example.com", "id.example.com")


class Request(NamedTuple):
    """One line, whatever the format it is written in."""

    at: datetime
    client: str
    user: str
    host: str
    method: str
    target: str
    status: int
    size: int
    referer: str
    agent: str
    took: float


def requests(seed: int = SEED) -> Iterator[Request]:
    """An endless day of requests."""
    dice = random.Random(seed)
    at = START
    begun: deque[tuple[str, str]] = deque(maxlen=20)
    while True:
        at += timedelta(milliseconds=dice.expovariate(1 / 90))
        client = (
            f"203.0.113.{dice.randrange(256)}"
            if dice.random() < 0.7
            else f"2001:db8:{dice.randrange(65536):x}::{dice.randrange(65536):x}"
        )
        yield _oauth(dice, at, client, begun) if dice.random() < OAUTH_SHARE else _ordinary(dice, at, client)


def _word(dice: random.Random, length: int) -> str:
    return "".join(dice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", k=length))


def _ordinary(dice: random.Random, at: datetime, client: str) -> Request:
    group = dice.choices((PAGES, ASSETS, API, LOOKALIKES), (20, 50, 28, 2))[0]
    target = dice.choice(group).format(n=dice.randrange(100_000), h=f"{dice.getrandbits(32):08x}")
    status = dice.choices((200, 304, 301, 404, 500, 499), (800, 120, 30, 40, 5, 5))[0]
    referer = (
        "-"
        if group in (API, LOOKALIKES) or dice.random() < 0.3
        else f"https://shop.example.com/products/{dice.randrange(100_000)}"
    )
    method = "POST" if target == "/graphql" else "GET"
    host = HOSTS[1] if group in (API, LOOKALIKES) else HOSTS[0]
    return Request(
        at,
        client,
        "-",
        host,
        method,
        target,
        status,
        dice.randrange(200, 90_000),
        referer,
        dice.choice(AGENTS),
        dice.random() / 5,
    )


def _oauth(dice: random.Random, at: datetime, client: str, begun: deque[tuple[str, str]]) -> Request:
    """A step of a sign-in; ``begun`` holds client and state of those whose callback is still to come."""
    client_id = dice.choice(CLIENTS)
    redirect = f"https://{client_id}.example.com/auth/callback"
    kind = dice.choices(("authorize", "callback", "token", "error", "jwks", "userinfo"), (30, 25, 30, 5, 6, 4))[0]
    agent, user, method, host = dice.choice(AGENTS[:4]), "-", "GET", HOSTS[2]
    state = _word(dice, 22)
    if kind in ("callback", "error") and begun:
        client_id, state = begun.popleft()
    if kind == "authorize":
        if dice.random() < 0.04:
            redirect = redirect.replace("https", "http")
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect,
            "scope": "openid profile",
            "state": state,
            "nonce": _word(dice, 22),
            "code_challenge": _word(dice, 43),
            "code_challenge_method": "S256",
        }
        target, status = f"/oauth2/authorize?{urlencode(asked)}", 400 if redirect.startswith("http:") else 302
        if status == 302:
            begun.append((client_id, state))
    elif kind == "callback":
        target, status, host = (
            f"/auth/callback?code={_word(dice, 32)}&state={state}",
            dice.choices((302, 500), (98, 2))[0],
            f"{client_id}.example.com",
        )
    elif kind == "error":
        error, says = dice.choice(
            (
                ("access_denied", "The user denied the request"),
                ("login_required", "No session"),
                ("invalid_scope", "Scope orders:write is not allowed"),
            )
        )
        target, status, host = (
            f"/auth/callback?error={error}&error_description={quote(says)}&state={state}",
            302,
            f"{client_id}.example.com",
        )
    elif kind == "token":
        target, method, status, agent = (
            "/oauth2/token",
            "POST",
            dice.choices((200, 400, 401, 503), (940, 35, 20, 5))[0],
            "okhttp/5.3.0",
        )
        user = client_id if dice.random() < 0.5 else "-"
    elif kind == "jwks":
        target, status, agent = "/.well-known/jwks.json", 200, "okhttp/5.3.0"
    else:
        target, status, agent = "/oauth2/userinfo", dice.choices((200, 401), (95, 5))[0], "okhttp/5.3.0"
    return Request(
        at, client, user, host, method, target, status, dice.randrange(60, 2000), "-", agent, dice.random() / 3
    )


def combined(r: Request) -> str:
    """A line of nginx's ``combined``."""
    return f'{r.client} - {r.user} [{r.at:%d/%b/%Y:%H:%M:%S} +0000] "{r.method} {r.target} HTTP/1.1" {r.status} {r.size} "{r.referer}" "{r.agent}"\n'


def json_line(r: Request) -> str:
    """A line of an nginx that logs JSON."""
    return json.dumps(
        {
            "time": r.at.isoformat(timespec="seconds"), "remote_addr": r.client, "remote_user": r.user, "host": r.host, "request_method": r.method, "request_uri": r.target, "status": r.status,
            "body_bytes_sent": r.size, "request_time": round(r.took, 3), "upstream_status": str(r.status), "http_referer": r.referer, "http_user_agent": r.agent,
        },
        separators=(",", ":"),
    ) + "\n"  # fmt: skip


def by_documentation(form: str) -> Callable[[Request], str]:
    """What writes a line as the samples of a format are written."""
    write, numbers = written.WRITERS[form], itertools.count(1)

    def line(r: Request) -> str:
        call = written.Call(r.at, r.client, r.method, r.host, r.target, r.status, r.took, r.agent, number=next(numbers))
        return f"{write(call)}\n"

    return line


OTHERS = ("envoy-text", "istio-json", "aws-alb", "cloudflare")
"""Formats that are measured beside nginx's, lines of text and of JSON, long and short."""
WRITERS = {"nginx-combined": combined, "json-access": json_line} | {form: by_documentation(form) for form in OTHERS}


def make(folder: Path, form: str, megabytes: int) -> Path:
    """The log of a format and size, made when it is not there."""
    file = folder / f"{form}-{megabytes}.log"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write, size = WRITERS[form], 0
        half = file.with_suffix(".half")
        with half.open("w", encoding="ascii") as out:
            for request in requests():
                line = write(request)
                out.write(line)
                size += len(line)
                if size >= megabytes << 20:
                    break
        half.rename(file)
    return file


def packed(file: Path) -> Path:
    """The same log, gzipped."""
    target = file.with_suffix(".log.gz")
    if not target.exists():
        half = target.with_suffix(".half")
        with file.open("rb") as raw, gzip.open(half, "wb", compresslevel=6) as out:
            shutil.copyfileobj(raw, out, 1 << 20)
        half.rename(target)
    return target
