"""Makes the samples of identity providers' event logs, none of which can be had here, as their documentation shows them.

    python -m sample_logs.make.formats.identity_events

Each is the same morning as that provider would log it: sign-ins that work, then one failure after the other. The builders
are what the tests use too.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[2] / "formats"
BASE = datetime(2026, 5, 4, 10, tzinfo=UTC)
REALM = "7f1d0c9e-6a55-4a77-9a0e-2f6f5f0c6b11"
APP = "9b7e2c51-2f0e-4f0f-8a46-6f2a1c8d3e10"
WEB = "https://shop.acme.test/callback"
OLD = "https://old.acme.test/cb"
CALLER = "198.51.100.4"
HIDDEN = 'Value is sensitive and has been redacted. To see the value set config key "log.leak_sensitive_values = true".'
FIRST = 1.25
"""Seconds after BASE of an event that is the only one."""


def stamp(at: float, timespec: str = "milliseconds") -> str:
    """ISO 8601 with Z."""
    return (BASE + timedelta(seconds=at)).isoformat(timespec=timespec).replace("+00:00", "Z")


def keycloak_fields(kind: str, error: str | None = None, *, client: str = "shop", **details: str) -> dict[str, str]:
    fields = {"type": kind, "realmId": REALM, "realmName": "acme", "clientId": client, "userId": "null"}
    fields |= {"sessionId": details.get("code_id", "null"), "ipAddress": CALLER}
    return fields | ({"error": error} if error else {}) | details


def keycloak_words(kind: str, error: str | None = None, **details: str) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in keycloak_fields(kind, error, **details).items())


def keycloak(kind: str, error: str | None = None, /, *, at: float = FIRST, **details: str) -> str:
    """Text, current releases."""
    time = stamp(at).replace("T", " ").replace(".", ",").rstrip("Z")
    level = "WARN " if error else "DEBUG"
    return f"{time} {level} [org.keycloak.events] (executor-thread-3) {keycloak_words(kind, error, **details)}"


def keycloak_old(kind: str, error: str | None = None, /, *, at: float = FIRST, **details: str) -> str:
    """Text, releases on WildFly: values bare, or in single quotes where they hold blanks."""
    fields = keycloak_fields(kind, error, **details)
    del fields["realmName"], fields["sessionId"]
    told = ", ".join(f"{name}='{value}'" if " " in value else f"{name}={value}" for name, value in fields.items())
    time = stamp(at).replace("T", " ").replace(".", ",").rstrip("Z")
    return f"{time} {'WARN ' if error else 'DEBUG'} [org.keycloak.events] (default task-12) {told}"


def keycloak_line(kind: str, error: str | None = None, /, *, at: float = FIRST, **details: str) -> str:
    """JSON log."""
    return json.dumps({
        "timestamp": stamp(at), "sequence": 9021, "loggerName": "org.keycloak.events", "level": "WARN" if error else "DEBUG",
        "message": keycloak_words(kind, error, **details), "threadName": "executor-thread-3", "mdc": {}, "hostName": "kc-0",
    })  # fmt: skip


def keycloak_api(kind: str, error: str | None = None, /, *, at: float = FIRST, **details: str) -> dict[str, Any]:
    """Admin API."""
    fields = keycloak_fields(kind, error, **details)
    named = {
        name: fields.pop(name, None) for name in ("type", "realmId", "clientId", "sessionId", "ipAddress", "error")
    }
    rest = {name: value for name, value in fields.items() if name not in ("userId", "realmName")}
    return {"time": int((BASE.timestamp() + at) * 1000), **named, "userId": None, "details": rest}


def okta(kind: str, result: str, reason: str | None = None, /, *, at: float = FIRST, **debug: str) -> dict[str, Any]:
    return {
        "actor": {"id": "0oa7shopQx1", "type": "PublicClientApp", "alternateId": "0oa7shopQx1", "displayName": "Shop"},
        "client": {"userAgent": {"rawUserAgent": "okhttp/5.0"}, "ipAddress": CALLER},
        "eventType": kind, "outcome": {"result": result, "reason": reason}, "published": stamp(at),
        "severity": "INFO" if result == "SUCCESS" else "WARN", "displayMessage": "…", "uuid": f"b5c1-{at}",
        "transaction": {"type": "WEB", "id": f"tx{at}"},
        "debugContext": {"debugData": {"requestUri": "/oauth2/default/v1/token", **debug}},
        "target": [{"id": "aus1", "type": "AuthorizationServer", "displayName": "default"}],
    }  # fmt: skip


def auth0(kind: str, description: str | None = None, /, *, at: float = FIRST, **more: Any) -> dict[str, Any]:
    return {
        "date": stamp(at), "type": kind, "description": description, "client_id": "kQ2shop7Lr", "client_name": "Shop",
        "ip": CALLER, "hostname": "acme.eu.auth0.com", "user_id": "", "log_id": f"90020260504{at}",
    } | more  # fmt: skip


def entra(
    code: int, reason: str = "Other.", /, *, at: float = FIRST, more: str | None = None, **members: Any
) -> dict[str, Any]:
    return {
        "id": f"0c6f-{at}", "createdDateTime": stamp(at, "seconds"), "userPrincipalName": "ada@acme.test", "userId": "5a1d",
        "appId": APP, "appDisplayName": "Shop", "ipAddress": CALLER, "correlationId": f"c-{code}-{at}",
        "isInteractive": True, "conditionalAccessStatus": "notApplied",
        "status": {"errorCode": code, "failureReason": reason, "additionalDetails": more},
    } | members  # fmt: skip


def monitor(code: int, reason: str, category: str = "SignInLogs", /, *, at: float = FIRST) -> dict[str, Any]:
    return {
        "time": stamp(at, "microseconds"), "category": category, "operationName": "Sign-in activity", "tenantId": "t1",
        "resultType": str(code), "resultDescription": reason, "callerIpAddress": CALLER, "correlationId": f"m-{code}-{at}",
        "properties": {"id": "1", "appId": APP, "status": {"errorCode": code}},
    }  # fmt: skip


def cognito(
    name: str,
    /,
    *,
    code: str | None = None,
    message: str | None = None,
    status: float | None = None,
    at: float = FIRST,
    **sent: str,
) -> dict[str, Any]:
    additional: dict[str, Any] = {"requestParameters": {k: [v] for k, v in sent.items()}, "userPoolId": "eu-west-1_a"}
    if status:
        additional["responseParameters"] = {"status": status}
    return {
        "eventVersion": "1.08", "eventTime": stamp(at, "seconds"), "eventSource": "cognito-idp.amazonaws.com",
        "eventName": name, "sourceIPAddress": CALLER, "errorCode": code or "", "errorMessage": message,
        "additionalEventData": additional, "requestID": f"r{at}",
    }  # fmt: skip


def google(name: str, application: str = "token", /, *, at: float = FIRST, **parameters: str) -> dict[str, Any]:
    return {
        "kind": "admin#reports#activity", "id": {"time": stamp(at), "applicationName": application},
        "actor": {"email": "ada@acme.test"}, "ipAddress": CALLER,
        "events": [{"type": "auth", "name": name, "parameters": [{"name": k, "value": v} for k, v in parameters.items()]}],
    }  # fmt: skip


def hydra(
    word: str, reason: str, path: str = "/oauth2/token", status: int = 400, /, *, at: float = FIRST
) -> dict[str, Any]:
    """The line of an error."""
    return {
        "audience": "application", "error": {"message": word, "reason": reason, "debug": "", "status_code": status},
        "http_request": hydra_request(path), "level": "error", "msg": "An error occurred", "service_name": "Ory Hydra",
        "time": stamp(at, "seconds"),
    }  # fmt: skip


def hydra_request(path: str) -> dict[str, Any]:
    return {
        "headers": {"authorization": HIDDEN}, "host": "id.acme.test", "method": "POST" if "token" in path else "GET",
        "path": path, "query": HIDDEN, "remote": f"{CALLER}:4100", "scheme": "https",
    }  # fmt: skip


def hydra_done(path: str, status: int, /, *, at: float = FIRST) -> dict[str, Any]:
    """The line of a request that has ended."""
    return {
        "http_request": hydra_request(path), "http_response": {"status": status, "took": 41_000_000}, "level": "info",
        "msg": "completed handling request", "service_name": "Ory Hydra", "time": stamp(at, "seconds"),
    }  # fmt: skip


def authentik(event: str, logger: str, level: str = "warning", /, *, at: float = FIRST, **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "logger": logger,
        "level": level,
        "pid": 40,
        "timestamp": stamp(at, "microseconds")[:-1],
    } | more


def authentik_request(path: str, status: int, /, *, at: float = FIRST) -> dict[str, Any]:
    method = "POST" if path.endswith("/token/") else "GET"
    return authentik(
        path, "authentik.asgi", "info", at=at, method=method, host="id.acme.test", scheme="https", status=status, runtime=12,
        remote=CALLER,
    )  # fmt: skip


def dex(message: str, err: str | None = None, level: str = "ERROR", /, *, at: float = FIRST, **more: str) -> str:
    told = {"err": err} if err else {}
    rest = "".join(f" {name}={json.dumps(value)}" for name, value in (told | more).items())
    return f"time={stamp(at)} level={level} msg={json.dumps(message)}{rest}"


def zitadel(error: str, description: str, status: int = 400, /, *, at: float = FIRST) -> str:
    return (
        f'time={stamp(at)} level=WARN msg="request error" oidc_error.type={error} '
        f"oidc_error.description={json.dumps(description)} oidc_error.redirect_disabled=false status_code={status}"
    )


# --- the morning ---------------------------------------------------------------------------------------------------------

KEYCLOAK: list[tuple[str, str | None, dict[str, str]]] = [
    ("LOGIN", None, {"redirect_uri": WEB, "code_id": "s1", "response_type": "code", "username": "ada"}),
    ("CODE_TO_TOKEN", None, {"code_id": "s1", "grant_type": "authorization_code"}),
    ("CODE_TO_TOKEN_ERROR", "invalid_code", {"code_id": "s1", "grant_type": "authorization_code"}),
    ("LOGIN_ERROR", "invalid_redirect_uri", {"redirect_uri": OLD, "client": "intranet"}),
    ("LOGIN_ERROR", "client_not_found", {"client": "shpo"}),
    ("CODE_TO_TOKEN_ERROR", "pkce_verification_failed", {"code_id": "s2", "reason": "Code mismatch", "client": "spa"}),
    ("REFRESH_TOKEN", None, {"grant_type": "refresh_token", "sessionId": "s1"}),
    ("REFRESH_TOKEN_ERROR", "invalid_token", {"reason": "Token is not active", "client": "mobile"}),
    ("CLIENT_LOGIN", None, {"client": "jobs", "grant_type": "client_credentials"}),
    ("CLIENT_LOGIN_ERROR", "invalid_client_credentials", {"client": "jobs", "grant_type": "client_credentials"}),
    ("USER_INFO_REQUEST", None, {"sessionId": "s1", "auth_method": "validate_access_token"}),
    ("LOGOUT", None, {"sessionId": "s1"}),
]
OKTA: list[tuple[str, str, str | None, dict[str, str]]] = [
    ("app.oauth2.as.authorize.code", "SUCCESS", None, {"requestUri": "/oauth2/default/v1/authorize"}),
    ("app.oauth2.as.token.grant.access_token", "SUCCESS", None, {"grantType": "authorization_code"}),
    ("policy.evaluate_sign_on", "CHALLENGE", "Sign-on policy evaluation resulted in CHALLENGE", {}),
    ("app.oauth2.as.token.grant", "FAILURE", "no_matching_policy", {"grantType": "client_credentials"}),
    ("app.oauth2.as.token.grant", "FAILURE", "invalid_client", {"grantType": "client_credentials"}),
    ("app.oauth2.as.token.detect_reuse", "FAILURE", "One-time refresh token was reused", {}),
    ("system.org.rate_limit.violation", "DENY", None, {}),
    ("app.oauth2.as.token.revoke", "SUCCESS", None, {}),
]
AUTH0: list[tuple[str, str, dict[str, Any]]] = [
    ("s", "Successful login", {"user_id": "auth0|1"}),
    ("seacft", "Authorization Code for Access Token", {"details": {"code": "*" * 40 + "Xyz"}}),
    ("feacft", "Invalid authorization code", {"details": {"code": "*" * 40 + "Xyz"}}),
    ("feccft", "Unauthorized", {"client_id": "jobs1"}),
    ("fertft", "Unknown or invalid refresh token.", {"client_id": "mobile1"}),
    ("f", f"Callback URL mismatch. {OLD} is not in the list of allowed callback URLs", {"client_id": "intranet1"}),
    ("sertft", "Refresh Token for Access Token", {}),
]
ENTRA: list[tuple[int, str, dict[str, Any]]] = [
    (50140, "This error occurred due to 'Keep me signed in' interrupt when the user was signing-in.", {}),
    (0, "Other.", {}),
    (65001, "The user or administrator has not consented to use the application with ID X.", {}),
    (
        50011,
        "The redirect URI specified in the request does not match the redirect URIs configured for the application.",
        {},
    ),
    (50126, "Error validating credentials due to invalid username or password.", {}),
    (
        700082,
        "The refresh token has expired due to inactivity.",
        {"incomingTokenType": "refreshToken", "isInteractive": False},
    ),
    (53003, "Access has been blocked by Conditional Access policies.", {}),
]


def samples() -> dict[str, str]:
    """File name -> content."""
    told = [(kind, error, {"at": 40.0 * n} | details) for n, (kind, error, details) in enumerate(KEYCLOAK * 2)]
    lines = [(keycloak_old if n >= len(KEYCLOAK) else keycloak)(k, e, **d) for n, (k, e, d) in enumerate(told)]
    api = [keycloak_api(kind, error, **details) for kind, error, details in told]
    hydras = [
        hydra_done("/oauth2/auth", 303), hydra_done("/oauth2/token", 200, at=2.0),
        hydra("invalid_grant", "The authorization code has already been used.", at=40.0), hydra_done("/oauth2/token", 400, at=40.0),
        hydra("invalid_client", "The requested OAuth 2.0 Client does not exist.", "/oauth2/token", 401, at=400.0),
        hydra_done("/oauth2/token", 401, at=400.0), hydra_done("/health/ready", 200, at=410.0),
    ]  # fmt: skip
    authentiks = [
        authentik_request("/application/o/authorize/?response_type=code&client_id=shop&redirect_uri=https%3A%2F%2Fshop.acme.test%2Fcallback&scope=openid&state=Zu8kPq3vW1", 302),
        authentik_request("/application/o/token/", 200, at=2.0), authentik_request("/-/health/live/", 200, at=30.0),
        authentik("Invalid client identifier", "authentik.providers.oauth2.views.authorize", at=60.0, client_id="shpo"),
        authentik("Invalid client secret", "authentik.providers.oauth2.views.token", at=400.0, client_id="shop"),
        authentik("task finished", "authentik.root.celery", "info", at=410.0),
    ]  # fmt: skip
    dexes = [
        dex("config issuer", None, "INFO", issuer="https://dex.acme.test/dex"),
        dex("login successful", None, "INFO", at=20.0, connector_id="ldap", username="ada", email="ada@acme.test"),
        dex("failed to parse authorization request", f'Unregistered redirect_uri ("{OLD}").', at=60.0),
        dex("invalid client_secret on token request", None, "INFO", at=400.0, client_id="shop"),
        f'time="{stamp(800.0, "seconds")}" level=error msg="Failed to parse authorization request: Invalid client_id (\\"shpo\\")."',
    ]  # fmt: skip
    zitadels = [
        zitadel("invalid_request", "The requested redirect_uri is missing in the client configuration."),
        zitadel("invalid_client", "invalid client secret", 401, at=400.0),
        json.dumps({"time": stamp(800.0), "level": "WARN", "msg": "request error", "oidc_error": {"type": "invalid_grant", "description": "code_challenge invalid"}, "status_code": 400}),
    ]  # fmt: skip
    cognitos = [
        cognito("Authorize_GET", status=302.0, client_id="5shop", redirect_uri=WEB, response_type="code"),
        cognito("Token_POST", status=200.0, grant_type="authorization_code", client_id="5shop", at=2.0),
        cognito("InitiateAuth", code="NotAuthorizedException", message="Refresh Token has expired", authFlow="REFRESH_TOKEN_AUTH", at=60.0),
        cognito("Error_GET", status=400.0, error="redirect_mismatch", client_id="6old", at=400.0),
        cognito("CreateUserPoolClient", at=700.0),
    ]  # fmt: skip
    googles = [
        google("authorize", client_id="12-ab.apps.googleusercontent.com", scope="openid"),
        google("login_failure", "login", at=300.0, login_failure_type="login_failure_invalid_password"),
        google("revoke", client_id="12-ab.apps.googleusercontent.com", at=600.0),
    ]  # fmt: skip
    monitors = [
        monitor(0, ""), monitor(7000222, "The provided client secret keys are expired.", "ServicePrincipalSignInLogs", at=60.0),
        monitor(53003, "Access has been blocked by Conditional Access policies.", at=400.0),
    ]  # fmt: skip
    return {
        "keycloak-text.log": ended(lines),
        "keycloak-json.log": ended([keycloak_line(kind, error, **details) for kind, error, details in told]),
        "keycloak-events-api.json": json.dumps(api[::-1], indent=1) + "\n",
        "okta.ndjson": ndjson([okta(k, r, w, at=40.0 * n, **d) for n, (k, r, w, d) in enumerate(OKTA * 3)]),
        "auth0.ndjson": ndjson([
            {"log_id": f"9002{n}", "data": auth0(k, d, at=40.0 * n, **m)} for n, (k, d, m) in enumerate(AUTH0 * 3)
        ]),
        "entra-graph.json": json.dumps({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#auditLogs/signIns", "value": [
            entra(c, r, at=40.0 * n, **m) for n, (c, r, m) in enumerate(ENTRA * 2)
        ]}, indent=1) + "\n",
        "entra-monitor.ndjson": ndjson([row for n in range(7) for row in monitors]),
        "cloudtrail-cognito.json": json.dumps({"Records": cognitos}) + "\n",
        "google-token-audit.json": json.dumps({"kind": "admin#reports#activities", "items": googles}) + "\n",
        "hydra-json.log": ndjson(hydras * 3),
        "authentik-json.log": ndjson(authentiks * 4),
        "dex-text.log": ended(dexes * 5),
        "zitadel-text.log": ended(zitadels * 7),
    }  # fmt: skip


def ended(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def ndjson(objects: list[dict[str, Any]]) -> str:
    return ended([json.dumps(one, ensure_ascii=False) for one in objects])


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for name, content in samples().items():
        (OUT / name).write_text(content, "utf-8")
