"""What a vantage point cannot see of a failure, and which setting of its log would show it.

An access log proves path, query and status; why a token request was refused stands in bodies and headers that it does
not write (RFC 6749 §5.2). Settings: ngx_http_log_module, mod_log_config, HAProxy's captures, Envoy's command operators.
"""

from __future__ import annotations

import re

NEEDED = {
    "token": ("body", "answer"),
    "par": ("body", "answer"),
    "introspection": ("body", "answer"),
    "revocation": ("body", "answer"),
    "device-authorization": ("body", "answer"),
    "registration": ("body", "answer"),
    "authorization": ("location",),
    "redirection": ("page",),
    "resource": ("headers", "answer"),
    "userinfo": ("headers", "answer"),
}
"""Step -> what of an exchange tells why it failed, in the words of the column ``sees``."""
ERROR_PAGE = 400
"""From this status on an authorization endpoint shows a page itself instead of redirecting with the error."""
NAMES = {
    "body": "the parameters in the request's body",
    "answer": "the answer's error and its description",
    "location": "the redirect with the error in it",
    "page": "the page that was shown",
    "headers": "the token and the WWW-Authenticate challenge",
}
SETTINGS = (
    (r"nginx|apisix|kong", {"body": "$request_body", "answer": "$sent_http_www_authenticate", "location": "$sent_http_location", "headers": "$sent_http_www_authenticate"}),
    (r"apache", {"answer": "%{WWW-Authenticate}o", "location": "%{Location}o", "headers": "%{WWW-Authenticate}o"}),
    (r"haproxy", {"answer": "http-response capture res.hdr(WWW-Authenticate)", "location": "http-response capture res.hdr(Location)", "headers": "http-response capture res.hdr(WWW-Authenticate)"}),
    (r"envoy|istio", {"answer": "%RESP(WWW-AUTHENTICATE)%", "location": "%RESP(LOCATION)%", "headers": "%RESP(WWW-AUTHENTICATE)%"}),
)  # fmt: skip
"""Format (pattern) -> what to add to its log format to see each of them; secrets in it are replaced when it is read."""


def blind_spot(step: str, status: int | None, sees: tuple[str, ...], source_format: str) -> str | None:
    """One sentence about what this log does not show of a failure and what would; None when it shows what there is.

    >>> blind_spot("authorization", 302, ("query",), "nginx-combined")
    'This log does not show the redirect with the error in it; add $sent_http_location to its format, or capture the exchange.'
    """
    needed = ("page",) if step == "authorization" and (status or 0) >= ERROR_PAGE else NEEDED.get(step, ())
    unseen = [what for what in needed if what not in sees and not (what == "page" and "answer" in sees)]
    if not unseen:
        return None
    named = " and ".join(NAMES[what] for what in unseen)
    settings = next((known for pattern, known in SETTINGS if re.search(pattern, source_format)), {})
    added = list(dict.fromkeys(settings[what] for what in unseen if what in settings))
    remedy = f"add {' and '.join(added)} to its format, or capture the exchange" if added else "capture the exchange"
    return f"This log does not show {named}; {remedy}."
