"""Which step of the protocol a request is.

In this order: endpoints learnt from discovery documents in the same traffic, then parameters and answers, then the
path. :data:`CANDIDATE` is the cheap superset of all of them that readers of big logs use as prefilter; a test proves
that it is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from oauthtrace.oauth.parameters import Parameters

PATHS: tuple[tuple[str, str], ...] = (
    ("metadata", r"/\.well-known/(?:openid-configuration|oauth-authorization-server|oauth-protected-resource|webfinger)"),
    ("jwks", r"/(?:\.well-known/)?(?:jwks?|certs|keys|publickeys|discovery/(?:v2\.0/)?keys|oauth2/v[123]/certs)(?:\.json|\.jwks|\.cgi)?/?$"),
    ("device-authorization", r"/(?:device_?authorization|devicecode|device[/_]code|auth/device|device/auth)/?$"),
    ("introspection", r"/(?:introspect(?:ion)?|token_?info|check_token|token/introspect)(?:\.oauth2)?/?$"),
    ("revocation", r"/(?:revoke|revocation|revoke_token|token/revoke)(?:\.oauth2)?/?$"),
    ("registration", r"/(?:(?:oauth2?|connect|oidc|clients-registrations/openid-connect|openid-connect)/(?:register|registration)|clients-registrations/openid-connect|dcr|register)/?$"),
    ("par", r"/(?:par|as/par\.oauth2|pushed_?authorization(?:_requests?)?|ext/par/request)/?$"),
    ("userinfo", r"/(?:userinfo|user_?info\.openid|idp/userinfo\.openid|openid/userinfo)/?$"),
    ("end-session", r"/(?:end_?session|endsession|oidc/logout|openid-connect/logout|v2/logout|oauth2/(?:v[\d.]+/|sessions/)?logout|session/end|idp/startslo\.ping)/?$"),
    ("token", r"/(?:oauth2?|openid-connect|connect|oidc|auth|oauth20|identity|as|sso|o|api|rest|login|security|realms/[^/]+|v\d[\d.]*|ims|dex)?(?:/[\w.-]+){0,3}/(?:access_?token|token\.oauth2|oauth(?:\.v2)?\.access|token)/?$|^/token/?$"),
    ("authorization", r"/(?:authorize|authorization|authz|oauth2?(?:/v\d[\d.]*)?/auth|openid-connect/auth|dex/auth|dialog/oauth|authorization\.oauth2|connect/authorize|oauth-authorize|start_sso)/?$"),
    ("redirection", r"/(?:callback|oauth_?callback|oauth2/callback|signin-oidc|sign-in/callback|login/oauth2/code/[^/]+|_oauth|oauth2/idpresponse|redirect_uri|oidc/callback|auth/[\w-]+/callback|callback/[\w-]+|.auth/login/[\w-]+/callback|cb)/?$"),
)  # fmt: skip
"""Step -> pattern of paths that products use for it; the weakest sign, asked last."""

_PATHS = [(step, re.compile(pattern, re.IGNORECASE)) for step, pattern in PATHS]

PATH_IN_LINE = "(?i)" + "|".join(pattern.replace("^", r"[\s\"]").replace("$", r"(?:[\s\"]|$)") for _, pattern in PATHS)
"""Matches every line that holds one of these paths between blanks or quotation marks, the path alone (Rust regex)."""

MACHINE_STEPS = ("token", "userinfo", "jwks", "metadata", "par", "device-authorization", "introspection", "revocation", "registration")  # fmt: skip
"""Steps that no browser is sent to."""
CLIENT_STEPS = ("token", "par", "introspection", "revocation", "device-authorization")
"""Those at which a client authenticates itself."""
METADATA_MEMBERS = {
    "authorization_endpoint": "authorization",
    "token_endpoint": "token",
    "userinfo_endpoint": "userinfo",
    "jwks_uri": "jwks",
    "introspection_endpoint": "introspection",
    "revocation_endpoint": "revocation",
    "registration_endpoint": "registration",
    "end_session_endpoint": "end-session",
    "pushed_authorization_request_endpoint": "par",
    "device_authorization_endpoint": "device-authorization",
}
"""Members of a metadata document (RFC 8414 §2, OIDC Discovery §3, RFC 8628 §4, RFC 9126 §5) -> step."""

CANDIDATE = (
    r"oauth|openid|oidc|token|authorize|authz|authorization|/auth\b|/auth[/?.]|callback|/cb\b|jwk|/certs|/keys|\.well-known"
    r"|userinfo|user_info|introspect|revo[ck]|/register|registration|/dcr|/par\b|device|logout|endsession|end_session|/session/end|signin|sign-in|/login"
    r"|client_(?:id|secret)|redirect_uri|response_type|grant_type|assertion|code=|error=|state=|id_token|idpresponse|saml|startslo|start_sso|/sso|publickeys"
)
"""Matches (case-insensitively) every line of an access log that can be part of an OAuth exchange."""


@lru_cache(maxsize=65_536)
def by_path(path: str) -> str | None:
    """The step that a path suggests, or None."""
    for step, pattern in _PATHS:
        if pattern.search(path):
            return step
    return None


def recognise(
    method: str,
    url_without_query: str,
    path: str,
    sent: Parameters,
    answer: Mapping[str, Any] | None,
    learnt: Mapping[str, str],
    authorization: str | None,
    challenge: str | None,
) -> str | None:
    """The step of an exchange, or None when nothing shows that it belongs to OAuth.

    Args:
        method: HTTP method.
        url_without_query: to be looked up in ``learnt``.
        path: path of the URL.
        sent: parameters of the request.
        answer: JSON members of the answer, if it is an object.
        learnt: URL without query -> step, from discovery documents of the same traffic.
        authorization: the Authorization header.
        challenge: the WWW-Authenticate header of the answer.
    """
    if learnt and (step := learnt.get(url_without_query.rstrip("/"))):
        return step
    values = sent.values
    if (
        answer
        and "expires_in" in answer
        and ("auth_req_id" in answer or ("device_code" in answer and "user_code" in answer))
    ):
        return "device-authorization"
    if method != "OPTIONS" and values:
        if "grant_type" in values:
            return "token"
        if "response_type" in values and ("client_id" in values or "redirect_uri" in values):
            return "par" if method == "POST" and by_path(path) == "par" else "authorization"
        if "client_id" in values and "request_uri" in values:
            return "authorization"
        if "code_challenge" in values and ("client_id" in values or "redirect_uri" in values):
            return "par" if method == "POST" and by_path(path) == "par" else "authorization"
        if "redirect_uris" in values and method in ("POST", "PUT"):
            return "registration"
        if "client_assertion" in values and "code" not in values and by_path(path) is None:
            return "token"
        if ("client_secret" in values and by_path(path) in (None, "token")) or (
            "code" in values and "code_verifier" in values
        ):
            return "token"
        if "state" in values and ("code" in values or "error" in values or "id_token" in values):
            return "redirection"
        if "error" in values and ("error_description" in values or by_path(path) == "redirection"):
            return "redirection"
        if "device_code" in values or "assertion" in values:
            return "token"
    if answer:
        if "access_token" in answer and ("token_type" in answer or "expires_in" in answer):
            return "token"
        if "issuer" in answer and any(member in answer for member in METADATA_MEMBERS):
            return "metadata"
        if "authorization_servers" in answer and "resource" in answer:
            return "metadata"
        if (
            isinstance(answer.get("keys"), list)
            and answer["keys"]
            and isinstance(answer["keys"][0], dict)
            and "kty" in answer["keys"][0]
        ):
            return "jwks"
        if "device_code" in answer and "user_code" in answer:
            return "device-authorization"
        if "request_uri" in answer and "expires_in" in answer:
            return "par"
    step = by_path(path)
    if step == "token" and method in ("GET", "HEAD") and not values.keys() & OAUTH_TOKEN_NAMES and not authorization:
        step = "token" if "oauth" in path.lower() else None
    if step == "redirection" and not ({"code", "error", "state", "id_token", "access_token"} & values.keys()):
        step = None
    if (
        step == "registration"
        and not (sent.members and "redirect_uris" in sent.members)
        and "oauth" not in path.lower()
        and method != "POST"
    ):
        step = None
    if step == "registration" and path.rstrip("/").lower() == "/register" and sent.members is None:
        step = None
    if step:
        return step
    if "code" in values and (
        "code" in path.lower() or re.search(r"auth|login|sign-?in|sso|oidc|openid", path, re.IGNORECASE)
    ):
        return "redirection"
    if "client_id" in values and "redirect_uri" in values:
        return "authorization"
    if authorization and (
        authorization[:7].lower().startswith(("bearer", "dpop ")) or _CARRIES_JWT.match(authorization)
    ):
        return "resource"
    if challenge and re.search(r"\b(?:bearer|dpop)\b", challenge, re.IGNORECASE):
        return "resource"
    return "resource" if "access_token" in values else None


_CARRIES_JWT = re.compile(r"(?:[A-Za-z][\w-]* )?eyJ[\w-]+\.[\w-]+\.")
"""An Authorization header that carries a JWT, under whatever scheme a framework has chosen (``JWT``, ``Token``)."""
OAUTH_TOKEN_NAMES = frozenset({"grant_type", "code", "client_id", "client_secret", "refresh_token", "assertion"})


def is_url(text: str) -> bool:
    """Whether a text is an absolute URL that can be taken apart."""
    try:
        return "://" in text and bool(urlsplit(text).netloc)
    except ValueError:
        return False


def learn(document: Mapping[str, Any]) -> dict[str, str]:
    """URL without query -> step, from one metadata document."""
    out = {}
    for member, step in METADATA_MEMBERS.items():
        value = document.get(member)
        if isinstance(value, str) and is_url(value):
            out[value.partition("?")[0].rstrip("/")] = step
    return out


def belongs(announced: str, url: str) -> bool:
    """Whether a well-known URL belongs to the issuer or resource that its document announces.

    RFC 8414 §3.3, RFC 9728 §3.3, OIDC Discovery §4.3.
    """
    try:
        parts = urlsplit(announced)
    except ValueError:
        return False
    path, origin = parts.path.rstrip("/"), f"{parts.scheme}://{parts.netloc}"
    fits = {f"{origin}{path}/.well-known/{name}" for name in ("openid-configuration", "oauth-authorization-server")}
    fits |= {
        f"{origin}/.well-known/{name}{path}"
        for name in ("openid-configuration", "oauth-authorization-server", "oauth-protected-resource")
    }
    if "/.well-known/oauth-protected-resource" in url and url.startswith(origin):
        return True  # the document at the root speaks for resources below it
    return url.rstrip("/") in {f.rstrip("/") for f in fits}
