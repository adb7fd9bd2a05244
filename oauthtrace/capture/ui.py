"""The content view "OAuth" of mitmproxy's interfaces: parameters decoded, tokens read, PKCE checked, secrets replaced."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mitmproxy import contentviews, http

from oauthtrace.capture import redact
from oauthtrace.oauth import jwt, parameters, pkce
from oauthtrace.privacy import Redactor
from oauthtrace.sources.captures.mitmproxy_flow import header_map, raw_exchange

if TYPE_CHECKING:
    from mitmproxy.flow import Flow

MOST_CHALLENGES = 1000
_PARAMETERS = {"grant_type", "response_type", "client_id", "code", "state", "redirect_uri", "token", "assertion"}
_MEMBERS = {"access_token", "id_token", "error", "issuer", "keys", "device_code", "request_uri", "active"}
_PRIORITY = 2.0
"""Above mitmproxy's own views of forms and JSON, which show secrets."""
_NARROW = 14


class OAuthView:
    """What a message of an OAuth exchange says. Works for mitmproxy 11 and 12, whose interfaces differ."""

    name = "OAuth"
    syntax_highlight = "none"

    def __init__(self) -> None:
        self.redactor: Redactor | None = None
        self._challenges: OrderedDict[str, float] = OrderedDict()

    # --- mitmproxy 12 --------------------------------------------------------------------------------------------------

    def prettify(self, data: bytes, metadata: Any) -> str:
        """The message as text."""
        return "\n".join(self._lines(data, metadata.http_message, metadata.flow))

    def render_priority(self, data: bytes, metadata: Any = None, **named: Any) -> float:
        """High for messages that look like OAuth's, else never chosen by itself."""
        message = named.get("http_message") or getattr(metadata, "http_message", None)
        if message is None or self.redactor is None:
            return -1.0
        return _PRIORITY if self._is_oauth(data, message) else -1.0

    def __lt__(self, other: Any) -> bool:
        return self.name < str(other.name)

    # --- mitmproxy 11 --------------------------------------------------------------------------------------------------

    def __call__(self, data: bytes, **named: Any) -> tuple[str, Iterator[list[tuple[str, str]]]]:
        """A title, and lines of styled texts."""
        lines = self._lines(data, named.get("http_message"), named.get("flow"))
        return "OAuth", ([("text", line)] for line in lines)

    # --- both ------------------------------------------------------------------------------------------------------------

    def seen(self, row: dict[str, Any]) -> None:
        """Remember the code_challenge of an authorization request; it is a hash, no secret."""
        challenge = row.get("code_challenge")
        if challenge and row.get("code_challenge_method"):
            self._challenges[challenge] = time.time()
            if len(self._challenges) > MOST_CHALLENGES:
                self._challenges.popitem(last=False)

    @staticmethod
    def _is_oauth(data: bytes, message: Any) -> bool:
        if isinstance(message, http.Request):
            text = data.decode("utf-8", "replace") if data else None
            sent = parameters.read(urlsplit(message.path).query, text, message.headers.get("content-type", "").lower())
            return len(_PARAMETERS & sent.values.keys()) >= (1 if "grant_type" in sent.values else 2)
        answer = _object(data)
        return answer is not None and bool(_MEMBERS & answer.keys())

    def _lines(self, data: bytes, message: Any, flow: Flow | None) -> Iterator[str]:
        if self.redactor is None or message is None:
            yield "no HTTP message"
        elif isinstance(message, http.Request):
            yield from self._request(data, message)
        else:
            yield from self._answer(data, message)
        if flow is not None and flow.comment:
            yield ""
            yield flow.comment

    def _request(self, data: bytes, request: http.Request) -> Iterator[str]:
        assert self.redactor is not None
        headers = header_map(request.headers)
        text = data.decode("utf-8", "replace") if data else None
        sent = parameters.read(urlsplit(request.path).query, text, headers.get("content-type", "").lower())
        for where, values in (("query", sent.query), ("body", sent.body)):
            if values:
                yield f"{where}:"
                yield from _table(redact.parameters(values.items(), self.redactor))
        if authorization := headers.get("authorization"):
            yield f"authorization: {redact.header('authorization', authorization, self.redactor)}"
            yield from self._token("  token", authorization.partition(" ")[2])
        for name in ("client_assertion", "assertion", "id_token_hint", "request", "subject_token", "id_token", "token"):
            yield from self._token(name, sent.values.get(name))
        if verifier := sent.values.get("code_verifier"):
            yield from self._proof(verifier)

    def _answer(self, data: bytes, response: http.Response) -> Iterator[str]:
        assert self.redactor is not None
        answer = _object(data)
        if answer is None:
            media_type = response.headers.get("content-type", "").lower()
            yield from redact.body(data.decode("utf-8", "replace")[:20_000], media_type, self.redactor).splitlines()
            return
        yield from json.dumps(redact.members(answer, self.redactor), indent=2, ensure_ascii=False).splitlines()
        for name in ("access_token", "id_token", "refresh_token"):
            value = answer.get(name)
            yield from self._token(name, value if isinstance(value, str) else None)

    def _proof(self, verifier: str) -> Iterator[str]:
        hashed = pkce.s256(verifier)
        yield ""
        yield f"PKCE: S256 of the code_verifier is {hashed}"
        if (when := self._challenges.get(hashed)) is not None:
            yield f"  the code_challenge of the authorization request at {datetime.fromtimestamp(when, UTC):%H:%M:%S} UTC: it fits"
        elif self._challenges:
            yield f"  none of the {len(self._challenges)} code_challenges that were seen: it does not fit"
        else:
            yield "  no authorization request was seen to compare it with"

    def _token(self, name: str, token: str | None) -> Iterator[str]:
        """Header and harmless claims of a JWT."""
        read = jwt.read(token)
        if read is None:
            return
        assert self.redactor is not None
        header, claims = read
        yield ""
        yield f"{name}, a JWT:"
        shown: list[tuple[str, Any]] = [(key, header[key]) for key in ("alg", "typ", "kid") if key in header]
        shown += [(key, _claim(key, claims[key])) for key in jwt.HARMLESS_CLAIMS if key in claims]
        yield from _table([(key, self.redactor.text(str(value))) for key, value in shown])
        if left_out := sorted(map(str, claims.keys() - set(jwt.HARMLESS_CLAIMS))):
            yield f"  not shown: {', '.join(left_out)}"


def lines_of(flow: http.HTTPFlow, view: OAuthView) -> Iterator[str]:
    """Both messages of a flow as the view shows them."""
    raw = raw_exchange(flow)
    for title, message, text in (
        ("Request", flow.request, raw.request_body),
        ("Answer", flow.response, raw.answer_body),
    ):
        if message is not None:
            yield title
            yield from (f"  {line}" for line in view._lines((text or "").encode("utf-8", "replace"), message, None))  # noqa: SLF001 - the view's own lines


def add_view(view: OAuthView) -> None:
    """Make a view known to mitmproxy, in place of one of the same name."""
    if hasattr(contentviews, "registry"):
        contentviews.add(view)
        return
    known = contentviews.get(view.name)
    if known is not None:
        contentviews.remove(known)
    contentviews.add(view)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _claim(name: str, value: Any) -> Any:
    """A claim; moments also as a time."""
    number = jwt.number(value) if name in ("exp", "iat", "nbf", "auth_time") else None
    if number is None or not 0 < number < 4e9:
        return value
    return f"{value}  {datetime.fromtimestamp(number, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _table(pairs: list[tuple[str, Any]]) -> Iterator[str]:
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        yield f"  {name.ljust(max(width, _NARROW))}  {value}"
