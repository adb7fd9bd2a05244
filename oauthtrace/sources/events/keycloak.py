"""What Keycloak's events mean, whichever way they are written: text log, JSON log, admin API.

Event types and details: https://www.keycloak.org/docs/latest/server_admin/#event-types and
``org.keycloak.events.EventType``, ``Errors``, ``Details`` of its source.
"""

from __future__ import annotations

from collections.abc import Mapping

from oauthtrace.sources.events.entries import Event

PROVIDER = "keycloak"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

STEPS: dict[str, tuple[str, str | None]] = {
    "LOGIN": ("authorization", None),
    "CODE_TO_TOKEN": ("token", "authorization_code"),
    "REFRESH_TOKEN": ("token", "refresh_token"),
    "CLIENT_LOGIN": ("token", "client_credentials"),
    "TOKEN_EXCHANGE": ("token", _EXCHANGE),
    "OAUTH2_DEVICE_CODE_TO_TOKEN": ("token", _DEVICE),
    "AUTHREQID_TO_TOKEN": ("token", "urn:openid:params:grant-type:ciba"),
    "OAUTH2_EXTENSION_GRANT": ("token", None),
    "PERMISSION_TOKEN": ("token", "urn:ietf:params:oauth:grant-type:uma-ticket"),
    "JWT_AUTHORIZATION_GRANT": ("token", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
    "OAUTH2_DEVICE_AUTH": ("device-authorization", None),
    "PUSHED_AUTHORIZATION_REQUEST": ("par", None),
    "USER_INFO_REQUEST": ("userinfo", None),
    "INTROSPECT_TOKEN": ("introspection", None),
    "VALIDATE_ACCESS_TOKEN": ("introspection", None),
    "REVOKE_GRANT": ("revocation", None),
    "CLIENT_REGISTER": ("registration", None),
    "CLIENT_UPDATE": ("registration", None),
    "CLIENT_DELETE": ("registration", None),
    "CLIENT_INFO": ("registration", None),
    "LOGOUT": ("end-session", None),
}
"""Event type without ``_ERROR`` -> the endpoint, and the grant type that it implies."""

_SIGN_IN = ("IDENTITY_PROVIDER_", "OAUTH2_DEVICE_VERIFY", "GRANT_CONSENT", "FEDERATED_IDENTITY_LINK", "CODE_TO_TOKEN")
"""How other event types that belong to a sign-in by OAuth begin; the rest is about users' accounts."""
_TEXTS = ("reason", "client_policy_error", "client_policy_error_detail", "identity_provider_error", "detail")
_METHODS = {"client-jwt": "jwt", "client-secret-jwt": "jwt"}


def event(fields: Mapping[str, str], time: float | None) -> Event | None:
    """The event of an entry's fields, ``type``, ``clientId`` and details alike by name; None for users' own business."""
    kind = fields.get("type", "")
    base = kind.removesuffix("_ERROR")
    known = {name: value for name, value in fields.items() if value not in ("null", "")}
    failed = kind.endswith("_ERROR")
    if base not in STEPS and not (base.startswith(_SIGN_IN) or (failed and "clientId" in known)):
        return None
    step, grant = STEPS.get(base, ("event", None))
    error = known.get("error")
    if base == "LOGIN" and known.get("grant_type") == "password":
        step, grant = "token", "password"
    session = known.get("sessionId") or known.get("code_id")
    code = _code(known)
    return Event(
        PROVIDER,
        kind,
        failed=failed,
        step=step,
        time=time,
        client_id=known.get("clientId"),
        user=known.get("userId") or known.get("username"),
        address=known.get("ipAddress"),
        error=error,
        error_code=kind if failed else None,
        description=known.get("reason") or known.get("error_description"),
        more=tuple(known.get(name) for name in _TEXTS[1:]),
        grant_type=known.get("grant_type") or grant,
        response_type=known.get("response_type"),
        redirect_uri=known.get("redirect_uri"),
        scope=known.get("scope"),
        auth_method=_METHODS.get(known.get("client_auth_method", "")),
        # the code's id is the session's, so it is not the code that expires or is refused for its verifier
        code=code if base == "CODE_TO_TOKEN" and error in (None, "invalid_code") else None,
        issued_code=code if kind == "LOGIN" else None,
        session=session,
    )


def _code(known: Mapping[str, str]) -> str | None:
    """What stands for a code: its id names the session, which several clients may share."""
    return f"{known['code_id']}/{known.get('clientId')}" if "code_id" in known else None
