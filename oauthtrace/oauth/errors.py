"""What an answer says about its failure: OAuth error, finer code, sentence, and all text that may tell why."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from oauthtrace.oauth.parameters import pairs

_CODE_MEMBERS = (
    "error",
    "errorCode",
    "error_code",
    "errorType",
    "errorcode",
    "code",
    "reason",
    "type",
    "status",
    "__type",
    "Code",
    "kind",
)
_TEXT_MEMBERS = (
    "error_description", "errorSummary", "message", "error_message", "errorMessage", "detail", "details", "title", "longMessage",
    "error_hint", "hint", "error_debug", "debug", "description", "reason", "Message", "msg", "moreInfo", "errorCauses", "cause",
    "errors", "error", "response_metadata", "messages", "warning", "fault", "faultstring", "developerMessage", "data",
)  # fmt: skip
_WORD = re.compile(r"^[A-Za-z][\w.:/-]*$")
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_TAGS = re.compile(r"<(script|style|svg|head)\b(?!er).*?</\1\s*>|<!--.*?-->|<[^>]+>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_IN_TEXT = re.compile(r"""["']?error["']?\s*[:=]\s*["']?([a-z][a-z_]{4,50})""")


@dataclass(slots=True)
class Said:
    """An answer's own words. Raw: to be redacted before it is kept."""

    error: str | None = None
    code: str | None = None
    description: str | None = None
    text: str = ""
    scope: str | None = None


def parse_challenge(header: str) -> dict[str, str]:
    """Parameters of a WWW-Authenticate header (RFC 9110 §11.6.1, RFC 6750 §3); later schemes do not override earlier ones."""
    out: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(header):
        out.setdefault(name.lower(), quoted.replace('\\"', '"') if quoted else token)
    return out


def members(body: str | None) -> Mapping[str, Any] | None:
    """The JSON object in a body, or None; the first object of an array of objects."""
    if not body or body.lstrip()[:1] not in ("{", "["):
        return None
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(data, list):
        data = data[0] if data and isinstance(data[0], dict) else None
    return data if isinstance(data, dict) else None


def visible_text(page: str) -> str:
    """Title and visible text of an HTML page, one line, at most 1,500 characters."""
    page = page[:200_000]
    title = _TITLE.search(page)
    body = _TAGS.sub(" ", page)
    text = f"{html.unescape(title[1]) if title else ''}. {html.unescape(body)}"
    return re.sub(r"\s+", " ", text).strip(" .")[:1500]


def of_json(data: Mapping[str, Any]) -> Said:
    """Error, code and sentences of a JSON error, in the shapes of RFC 6749 §5.2 and of the providers that differ from it."""
    said = Said()
    inner = data.get("error")
    nested = inner if isinstance(inner, Mapping) else {}
    listed = next(
        (e[0] for k in ("errors", "Errors") if isinstance(e := data.get(k), list) and e and isinstance(e[0], Mapping)),
        {},
    )
    for source in (data, nested, listed):
        for member in _CODE_MEMBERS:
            value = source.get(member)
            if isinstance(value, int) and not isinstance(value, bool) and member in ("code", "error_code", "errorCode"):
                said.code = said.code or str(value)
            if not isinstance(value, str) or not value or len(value) > 120:
                continue
            if (
                member in ("error", "errorType", "type", "status", "kind", "__type")
                and _WORD.match(value)
                and not said.error
                and not value.isdigit()
            ):
                if member != "status" or value.lower() not in ("error", "failure", "fail", "failed"):
                    said.error = value
            elif (
                member in ("errorCode", "error_code", "code", "Code", "errorcode", "reason")
                and _WORD.match(value)
                and not said.code
            ):
                said.code = value
    codes = data.get("error_codes")
    if isinstance(codes, list) and codes and not said.code:
        said.code = str(codes[0])
    sentences = list(dict.fromkeys(_sentences(data)))
    description = data.get("error_description")
    said.description = description if isinstance(description, str) else next((s for s in sentences if " " in s), None)
    said.text = " | ".join(sentences)[:4000]
    scope = data.get("scope")
    said.scope = scope if isinstance(scope, str) else None
    if said.error is None and said.code and not said.code.isdigit():
        said.error = said.code
    return said


def _sentences(data: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    for member in (*_TEXT_MEMBERS, *_CODE_MEMBERS):
        value = data.get(member)
        if isinstance(value, str) and value and len(value) < 4000:
            yield value
        elif isinstance(value, Mapping) and depth < 3:
            yield from _sentences(value, depth + 1)
        elif isinstance(value, list) and depth < 3:
            for item in value[:5]:
                if isinstance(item, Mapping):
                    yield from _sentences(item, depth + 1)
                elif isinstance(item, str):
                    yield item


def of_pairs(values: Mapping[str, str]) -> Said:
    """Error of a form-encoded body or of a redirect's query or fragment (RFC 6749 §4.1.2.1)."""
    error = values.get("error") or values.get("error_code") or values.get("error_reason")
    description = values.get("error_description") or values.get("error_message") or values.get("message")
    text = " | ".join(
        v
        for k, v in values.items()
        if k
        in (
            "error",
            "error_description",
            "error_reason",
            "error_message",
            "error_hint",
            "error_debug",
            "error_subcode",
            "message",
        )
        and v
    )
    return Said(error, values.get("error_subcode") or values.get("error_code"), description, text)


def of_answer(body: str | None, media_type: str, challenge: str | None, location: str | None) -> Said:
    """Everything an answer says: redirect first, then body, then WWW-Authenticate; the texts are joined."""
    found: list[Said] = []
    if location and "error" in location:
        _, _, rest = location.partition("?")
        query, _, fragment = rest.partition("#") if rest else location.partition("#")
        values = {**pairs(query)[0], **pairs(fragment)[0]}
        if "error" in values or "error_code" in values:
            found.append(of_pairs(values))
    if body:
        found.append(_of_body(body, media_type))
    if challenge:
        values = parse_challenge(challenge)
        text = " | ".join(v for k, v in values.items() if k in ("error", "error_description"))
        loose = re.sub(
            r'\b(?:realm|resource_metadata|scope|authorization_uri|client_id|trusted_issuers)="[^"]*"', "", challenge
        )
        said = Said(
            values.get("error"),
            None,
            values.get("error_description"),
            text or (loose if '"' in loose else ""),
            values.get("scope"),
        )
        found.append(said)
    out = Said()
    for said in found:
        out.error = out.error or said.error
        out.code = out.code or said.code
        out.description = out.description or said.description
        out.scope = out.scope or said.scope
    out.text = " | ".join(dict.fromkeys(s.text for s in found if s.text))
    return out


def _of_body(body: str, media_type: str) -> Said:
    if (data := members(body)) is not None:
        return of_json(data)
    start = body.lstrip()[:200].lower()
    if "html" in media_type or start.startswith(("<!doctype", "<html", "<head")):
        text = visible_text(body)
        match = _IN_TEXT.search(body)
        return Said(match[1] if match else None, None, text[:300] or None, text)
    if "=" in body and "error" in body and len(body) < 20_000 and "form" in media_type:
        return of_pairs(pairs(body.strip())[0])
    if start.startswith("error=") and " " not in body.strip():
        return of_pairs(pairs(body.strip())[0])
    if start.startswith("<"):
        text = re.sub(r"\s+", " ", _TAGS.sub(" ", body[:50_000])).strip()
        return Said(None, None, text[:300] or None, text[:1500])
    text = re.sub(r"\s+", " ", body[:4000]).strip()
    match = _IN_TEXT.search(text)
    return Said(match[1] if match else None, None, text[:300] or None, text[:2000])
