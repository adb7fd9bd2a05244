"""Pages that people see: those that tell of an error with status 200, and the dialogue of a sign-in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oauthtrace.oauth import errors, messages
from oauthtrace.providers import find_codes, provider_of

if TYPE_CHECKING:
    from oauthtrace.oauth.observe import RawExchange
    from oauthtrace.oauth.parameters import Parameters

_PAGE_CHARACTERS = 30_000


_COMPLAINTS = re.compile(
    r"(?:redirect_uri|client_id|client|scope|response_type|challenge) (?:unknown|mismatch|wrong|missing|not_allowed|malformed|unsupported|insecure|disabled)\Z"
)
_ASKS = re.compile(r"""type\s*=\s*["']?(?:password|email)""", re.IGNORECASE)


def _complaint(page: str) -> str | None:
    """What a page at the authorization endpoint says against the request itself; None of a page that asks for a login."""
    if _ASKS.search(page):
        return None
    text = errors.visible_text(page)
    return text[:600] if any(_COMPLAINTS.match(concept) for concept in messages.read(text)) else None


def complaint_of(raw: RawExchange, step: str | None, host: str, path: str) -> str | None:
    """Why an HTML page that came with status 200 refuses: its complaint, or the sentence around the provider's own code."""
    body = raw.answer_body
    if raw.status != 200 or not body or step not in (None, "authorization") or "<html" not in body[:300].lower():
        return None
    shown = body[:_PAGE_CHARACTERS]
    if step == "authorization" and (complaint := _complaint(shown)):
        return complaint
    if provider_of(host.partition(":")[0], path, raw.answer_headers.keys()) is None:
        return None
    codes = find_codes(shown)
    if not codes:
        return None
    start = shown.find(codes[0][1])
    return re.split(r'["<]|\\\\n', shown[max(start, 0) :], maxsplit=1)[0][:600] if start >= 0 else codes[0][1]


def dialogue_failed(raw: RawExchange, sent: Parameters) -> bool:
    """Whether a page of a client's sign-in, between authorization request and callback, failed: login, consent, cookies."""
    html = "html" in raw.answer_headers.get("content-type", "") or "<html" in (raw.answer_body or "")[:300].lower()
    return (raw.status or 0) >= 400 and raw.method in ("GET", "POST") and html and "client_id" in sent.query
