"""Event logs of identity providers: what each kind of event means, in whatever it comes wrapped."""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import runpy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import KEY, SAMPLES, analyse_text, told
from hypothesis import given
from hypothesis import strategies as st

from oauthtrace.analysis import analyze
from oauthtrace.exchange import frame
from oauthtrace.privacy import Redactor
from oauthtrace.sources import Reading, documents, events, weigh
from oauthtrace.sources.events import keycloak_text

NONE = "none"
"""No failure is to be reported."""
FORMATS = {
    form.NAME: form
    for found in pkgutil.iter_modules(events.__path__, f"{events.__name__}.")
    if hasattr(form := importlib.import_module(found.name), "sniff")
}
SAMPLE = {file.stem: file for file in sorted((SAMPLES / "formats").iterdir()) if file.stem in FORMATS}
MAKE = runpy.run_path(str(SAMPLES / "make/formats/identity_events.py"))
"""One event of each provider, as it writes it: the builders that made the samples."""
WEB = MAKE["WEB"]


def event(provider: str, *told: Any, **more: Any) -> str:
    """One event on one line."""
    made = MAKE[provider](*told, **more)
    return made if isinstance(made, str) else json.dumps(made, ensure_ascii=False)


keycloak, okta, auth0, entra, monitor, cognito, google, hydra, authentik, dex, zitadel = (
    partial(event, name)
    for name in (
        "keycloak",
        "okta",
        "auth0",
        "entra",
        "monitor",
        "cognito",
        "google",
        "hydra",
        "authentik",
        "dex",
        "zitadel",
    )
)


# --- event -> cause ----------------------------------------------------------------------------------------------------------

CASES: list[tuple[str, str, str]] = [
    # Keycloak
    ("keycloak-text", keycloak("LOGIN_ERROR", "invalid_redirect_uri", redirect_uri="https://old.acme.test/cb"), "redirect-uri/unregistered"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "client_not_found", client="shpo"), "client/unknown-id"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "client_disabled"), "client/disabled"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "invalid_user_credentials", username="ada"), "client/user-password"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "user_temporarily_disabled", username="ada"), "user/blocked"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "rejected_by_user", response_type="code"), "user/denied"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "invalid_request", reason="Missing parameter: code_challenge_method"), "binding/pkce-missing"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "not_allowed", response_type="code"), "request/grant-not-allowed"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "ssl_required"), "server/tls"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "cookie_not_found"), "binding/state-mismatch"),
    ("keycloak-text", keycloak("LOGIN_ERROR", "resolve_required_actions", grant_type="password"), "user/interaction-required"),
    ("keycloak-text", keycloak("CODE_TO_TOKEN_ERROR", "invalid_code", grant_type="authorization_code", code_id="s1"), "grant/code-reused"),
    ("keycloak-text", keycloak("CODE_TO_TOKEN_ERROR", "expired_code", grant_type="authorization_code", code_id="s1"), "grant/code-expired"),
    ("keycloak-text", keycloak("CODE_TO_TOKEN_ERROR", "pkce_verification_failed", reason="Code mismatch"), "binding/pkce-mismatch"),
    ("keycloak-text", keycloak("CODE_TO_TOKEN_ERROR", "code_verifier_missing"), "binding/pkce-missing"),
    ("keycloak-text", keycloak("CODE_TO_TOKEN_ERROR", "invalid_client_credentials", client_auth_method="client-secret"), "client/wrong-secret"),
    ("keycloak-text", keycloak("CODE_TO_TOKEN_ERROR", "invalid_redirect_uri", redirect_uri=f"{WEB}/", reason="Incorrect redirect_uri"), "redirect-uri/token-request-differs"),
    ("keycloak-text", keycloak("CODE_TO_TOKEN_ERROR", "user_session_not_found"), "grant/code-expired"),
    ("keycloak-text", keycloak("REFRESH_TOKEN_ERROR", "invalid_token", grant_type="refresh_token", reason="Token is not active"), "grant/refresh-expired"),
    ("keycloak-text", keycloak("REFRESH_TOKEN_ERROR", "invalid_token", reason="Stale token"), "grant/refresh-reused"),
    ("keycloak-text", keycloak("REFRESH_TOKEN_ERROR", "invalid_token", reason="Session not active"), "grant/refresh-revoked"),
    ("keycloak-text", keycloak("REFRESH_TOKEN_ERROR", "invalid_token"), "grant/refresh-expired"),
    ("keycloak-text", keycloak("CLIENT_LOGIN_ERROR", "invalid_client_credentials"), "client/wrong-secret"),
    ("keycloak-text", keycloak("USER_INFO_REQUEST_ERROR", "invalid_token", auth_method="validate_access_token"), "grant/access-token-expired"),
    ("keycloak-text", keycloak("TOKEN_EXCHANGE_ERROR", "not_allowed"), "request/grant-not-allowed"),
    ("keycloak-text", keycloak("OAUTH2_DEVICE_CODE_TO_TOKEN_ERROR", "expired_oauth2_device_code"), "grant/device-code-expired"),
    ("keycloak-text", keycloak("IDENTITY_PROVIDER_LOGIN_ERROR", "identity_provider_error", identity_provider="corp"), "server/outage"),
    ("keycloak-text", keycloak("CLIENT_REGISTER_ERROR", "not_allowed", reason="Policy 'Trusted Hosts' rejected request to client-registration service"), "client/registration-refused"),
    ("keycloak-text", keycloak("LOGIN", redirect_uri=WEB, code_id="s1", username="ada"), NONE),
    ("keycloak-text", keycloak("CODE_TO_TOKEN", code_id="s1", grant_type="authorization_code"), NONE),
    ("keycloak-text", keycloak("LOGOUT"), NONE),
    ("keycloak-text", keycloak("UPDATE_PROFILE"), NONE),
    ("keycloak-text", keycloak("OAUTH2_DEVICE_CODE_TO_TOKEN_ERROR", "slow_down"), NONE),
    # Okta
    ("okta", okta("app.oauth2.as.token.grant", "FAILURE", "no_matching_policy", grantType="client_credentials"), "user/policy"),
    ("okta", okta("app.oauth2.as.token.grant", "FAILURE", "invalid_client", grantType="client_credentials"), "client/wrong-secret"),
    ("okta", okta("app.oauth2.as.token.grant", "FAILURE", "invalid_scope", requestedScopes="orders.all"), "scope/invalid"),
    ("okta", okta("app.oauth2.as.token.grant", "FAILURE", "invalid_grant", grantType="authorization_code"), "grant/code-invalid"),
    ("okta", okta("app.oauth2.as.token.grant", "FAILURE", "pkce_code_verifier_mismatch", grantType="authorization_code"), "binding/pkce-mismatch"),
    ("okta", okta("app.oauth2.as.token.grant", "FAILURE", "mismatched_redirect_uri", grantType="authorization_code"), "redirect-uri/token-request-differs"),
    ("okta", okta("app.oauth2.as.token.grant", "FAILURE", "The refresh token is invalid or expired.", grantType="refresh_token"), "grant/refresh-invalid"),
    ("okta", okta("app.oauth2.token.grant.refresh_token", "FAILURE", "refresh_token_expired"), "grant/refresh-expired"),
    ("okta", okta("app.oauth2.as.token.detect_reuse", "FAILURE", "One-time refresh token was reused"), "grant/refresh-reused"),
    ("okta", okta("app.oauth2.invalid_client_credentials", "FAILURE", "invalid_client_secret"), "client/wrong-secret"),
    ("okta", okta("app.oauth2.as.authorize.code", "FAILURE", "illegal_redirect_uri", url="/oauth2/default/v1/authorize?client_id=0oa7&redirect_uri=https%3A%2F%2Fold.acme.test%2Fcb"), "redirect-uri/unregistered"),
    ("okta", okta("app.oauth2.as.authorize", "FAILURE", "access_denied"), "user/policy"),
    ("okta", okta("app.oauth2.as.authorize", "FAILURE", "login_required", url="/oauth2/v1/authorize?prompt=none"), "user/interaction-required"),
    ("okta", okta("app.oauth2.as.authorize", "FAILURE", "consent_required"), "scope/consent-required"),
    ("okta", okta("user.session.start", "FAILURE", "INVALID_CREDENTIALS"), "client/user-password"),
    ("okta", okta("user.authentication.sso", "FAILURE", "User is not assigned to the client application."), "user/blocked"),
    ("okta", okta("policy.evaluate_sign_on", "DENY", "Sign-on policy evaluation resulted in DENY"), "user/policy"),
    ("okta", okta("system.org.rate_limit.violation", "DENY"), "server/rate-limited"),
    ("okta", okta("user.account.lock", "FAILURE", "LOCKED_OUT"), "user/blocked"),
    ("okta", okta("app.oauth2.as.token.grant.access_token", "SUCCESS", grantType="client_credentials"), NONE),
    ("okta", okta("app.oauth2.as.authorize.code", "SUCCESS"), NONE),
    ("okta", okta("policy.evaluate_sign_on", "CHALLENGE", "Sign-on policy evaluation resulted in CHALLENGE"), NONE),
    ("okta", okta("app.oauth2.as.token.revoke", "SUCCESS"), NONE),
    ("okta", okta("application.lifecycle.update", "SUCCESS"), NONE),
    # Auth0
    ("auth0", auth0("feacft", "Invalid authorization code", details={"code": "*" * 40 + "Xyz"}), "grant/code-invalid"),
    ("auth0", auth0("feacft", "Unauthorized"), "client/wrong-secret"),
    ("auth0", auth0("feacft", "Failed to verify code verifier"), "binding/pkce-mismatch"),
    ("auth0", auth0("feccft", 'Client is not authorized to access "https://api.acme.test". You need to create a "client-grant" associated to this API.'), "request/grant-not-allowed"),
    ("auth0", auth0("feccft", "Unauthorized"), "client/wrong-secret"),
    ("auth0", auth0("feccft", "Service not found: https://api.acme.test", audience="https://api.acme.test"), "scope/audience"),
    ("auth0", auth0("fertft", "Unknown or invalid refresh token."), "grant/refresh-invalid"),
    ("auth0", auth0("ferrt", "Reused rotating refresh token"), "grant/refresh-reused"),
    ("auth0", auth0("fepft", "Wrong email or password."), "client/user-password"),
    ("auth0", auth0("fede", "The device code has expired", details={"error": "expired_token"}), "grant/device-code-expired"),
    ("auth0", auth0("fp", "Wrong email or password.", user_name="ada@acme.test", connection="users"), "client/user-password"),
    ("auth0", auth0("fsa", "Login required", details={"error": {"oauthError": "login_required", "message": "Login required", "type": "oauth-authorization"}}), "user/interaction-required"),
    ("auth0", auth0("fsa", "Consent required", details={"error": {"oauthError": "consent_required", "message": "Consent required"}}), "scope/consent-required"),
    ("auth0", auth0("f", "Callback URL mismatch. https://old.acme.test/cb is not in the list of allowed callback URLs", details={"qs": {"client_id": "kQ2shop7Lr", "redirect_uri": "https://old.acme.test/cb", "response_type": "code"}}), "redirect-uri/unregistered"),
    ("auth0", auth0("f", "Unknown client: kQ2shop7Lx", details={"error": {"message": "Unknown client: kQ2shop7Lx", "oauthError": "invalid_request"}}), "client/unknown-id"),
    ("auth0", auth0("f", "User did not authorize the request", details={"error": {"oauthError": "access_denied", "message": "User did not authorize the request"}}), "user/denied"),
    ("auth0", auth0("fcoa", "Unknown or invalid login ticket."), "server/cors"),
    ("auth0", auth0("limit_wc", "user account blocked"), "user/blocked"),
    ("auth0", auth0("api_limit", "You passed the limit of allowed calls to /api/v2/users"), "server/rate-limited"),
    ("auth0", auth0("gd_auth_rejected"), "user/denied"),
    ("auth0", auth0("s", "Successful login", user_id="auth0|1"), NONE),
    ("auth0", auth0("seacft", "Authorization Code for Access Token", details={"code": "*" * 40 + "Xyz"}), NONE),
    ("auth0", auth0("sertft", "Refresh Token for Access Token"), NONE),
    ("auth0", auth0("sapi", "Update a client"), NONE),
    ("auth0", auth0("fn", "Failed sending notification"), NONE),
    # Entra
    ("entra-graph", entra(50011, "The redirect URI specified in the request does not match the redirect URIs configured for the application."), "redirect-uri/unregistered"),
    ("entra-graph", entra(65001, "The user or administrator has not consented to use the application with ID X."), "scope/consent-required"),
    ("entra-graph", entra(65004, "User declined to consent to access the app."), "user/denied"),
    ("entra-graph", entra(50105, "The signed in user is not assigned to a role for the application."), "user/blocked"),
    ("entra-graph", entra(50126, "Error validating credentials due to invalid username or password."), "client/user-password"),
    ("entra-graph", entra(50053, "The account is locked."), "user/blocked"),
    ("entra-graph", entra(50057, "The user account is disabled."), "user/blocked"),
    ("entra-graph", entra(50076, "Due to a configuration change you must use multi-factor authentication to access the resource."), "user/interaction-required"),
    ("entra-graph", entra(53003, "Access has been blocked by Conditional Access policies.", appliedConditionalAccessPolicies=[{"displayName": "Only from the office", "result": "failure"}]), "user/policy"),
    ("entra-graph", entra(53000, "Device is not in required device state."), "user/policy"),
    ("entra-graph", entra(70008, "The provided authorization code or refresh token has expired due to inactivity.", incomingTokenType="refreshToken", isInteractive=False), "grant/refresh-expired"),
    ("entra-graph", entra(700082, "The refresh token has expired due to inactivity.", incomingTokenType="refreshToken", isInteractive=False), "grant/refresh-expired"),
    ("entra-graph", entra(50173, "The provided grant has expired due to it being revoked.", incomingTokenType="refreshToken", isInteractive=False), "grant/refresh-revoked"),
    ("entra-graph", entra(700016, "Application was not found in the directory."), "client/unknown-id"),
    ("entra-graph", entra(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."), "client/missing-credentials"),
    ("entra-graph", entra(50058, "Session information is not sufficient for single-sign-on."), "user/interaction-required"),
    ("entra-graph", entra(0), NONE),
    ("entra-graph", entra(50140, "This error occurred due to 'Keep me signed in' interrupt when the user was signing-in."), NONE),
    ("entra-monitor", monitor(7000222, "The provided client secret keys are expired.", "ServicePrincipalSignInLogs"), "client/expired-secret"),
    ("entra-monitor", monitor(7000215, "Invalid client secret is provided.", "ServicePrincipalSignInLogs"), "client/wrong-secret"),
    ("entra-monitor", monitor(700024, "Client assertion is not within its valid time range.", "ServicePrincipalSignInLogs"), "server/clock-skew"),
    ("entra-monitor", monitor(90002, "Tenant not found."), "server/wrong-endpoint"),
    ("entra-monitor", monitor(0, "", "NonInteractiveUserSignInLogs"), NONE),
    # Cognito
    ("cloudtrail-cognito", cognito("InitiateAuth", code="NotAuthorizedException", message="Incorrect username or password.", authFlow="USER_PASSWORD_AUTH"), "client/user-password"),
    ("cloudtrail-cognito", cognito("InitiateAuth", code="NotAuthorizedException", message="Refresh Token has expired", authFlow="REFRESH_TOKEN_AUTH"), "grant/refresh-expired"),
    ("cloudtrail-cognito", cognito("GetTokensFromRefreshToken", code="RefreshTokenReuseException", message="Refresh token reused"), "grant/refresh-reused"),
    ("cloudtrail-cognito", cognito("InitiateAuth", code="ResourceNotFoundException", message="User pool client 5shop does not exist."), "client/unknown-id"),
    ("cloudtrail-cognito", cognito("Error_GET", status=400.0, error="redirect_mismatch", client_id="5shop"), "redirect-uri/unregistered"),
    ("cloudtrail-cognito", cognito("InitiateAuth", code="UserLambdaValidationException", message="PreAuthentication failed with error blocked"), "user/policy"),
    ("cloudtrail-cognito", cognito("Token_POST", status=200.0, grant_type="client_credentials", client_id="5shop"), NONE),
    ("cloudtrail-cognito", cognito("CreateUserPoolClient"), NONE),
    # Google
    ("google-token-audit", google("login_failure", "login", login_failure_type="login_failure_invalid_password"), "client/user-password"),
    ("google-token-audit", google("login_failure", "login", login_failure_type="login_failure_account_disabled"), "user/blocked"),
    ("google-token-audit", google("revoke", client_id="12-ab.apps.googleusercontent.com"), NONE),
    ("google-token-audit", google("authorize", client_id="12-ab.apps.googleusercontent.com", scope="openid"), NONE),
    # Hydra
    ("hydra-json", hydra("invalid_grant", "The authorization code has already been used."), "grant/code-reused"),
    ("hydra-json", hydra("invalid_client", "The requested OAuth 2.0 Client does not exist.", "/oauth2/token", 401), "client/unknown-id"),
    ("hydra-json", hydra("invalid_request", "The 'redirect_uri' parameter does not match any of the OAuth 2.0 Client's pre-registered redirect urls.", "/oauth2/auth"), "redirect-uri/unregistered"),
    ("hydra-json", hydra("token_inactive", "Access token expired at '2026-05-04 09:00:00'.", "/userinfo", 401), "grant/access-token-expired"),
    # authentik
    ("authentik-json", authentik("Invalid client identifier", "authentik.providers.oauth2.views.authorize", client_id="shpo"), "client/unknown-id"),
    ("authentik-json", authentik("Invalid redirect uri (regex comparison)", "authentik.providers.oauth2.views.authorize", redirect_uri="https://old.acme.test/cb", redirect_uri_expected=[WEB]), "redirect-uri/host"),
    ("authentik-json", authentik("Invalid client secret", "authentik.providers.oauth2.views.token", client_id="shop"), "client/wrong-secret"),
    ("authentik-json", json.dumps({"action": "configuration_error", "app": "authentik.providers.oauth2", "client_ip": "198.51.100.4", "created": "2026-05-04T10:00:01Z", "context": {"message": "Invalid redirect URI was used by provider"}}), "redirect-uri/unregistered"),
    ("authentik-json", authentik("/application/o/token/", "authentik.asgi", "info", method="POST", host="id.acme.test", scheme="https", status=200, runtime=12), NONE),
    ("authentik-json", authentik("/-/health/live/", "authentik.asgi", "info", method="GET", host="localhost", scheme="http", status=200, runtime=3), NONE),
    # Dex
    ("dex-text", dex("failed to parse authorization request", 'Unregistered redirect_uri ("http://old.acme.test/cb").'), "redirect-uri/unregistered"),
    ("dex-text", dex("failed to parse authorization request", 'Invalid client_id ("shpo").'), "client/unknown-id"),
    ("dex-text", dex("invalid client_secret on token request", None, "INFO", client_id="shop"), "client/wrong-secret"),
    ("dex-text", dex("login successful", None, "INFO", connector_id="ldap", username="Ada"), NONE),
    # ZITADEL
    ("zitadel-text", zitadel("invalid_request", "The requested redirect_uri is missing in the client configuration."), "redirect-uri/unregistered"),
    ("zitadel-text", zitadel("invalid_grant", "invalid code"), "grant/code-invalid"),
    ("zitadel-text", zitadel("invalid_client", "invalid client secret", 401), "client/wrong-secret"),
    ("zitadel-text", zitadel("invalid_grant", "code_challenge invalid"), "binding/pkce-mismatch"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "line", "cause"), CASES, ids=[f"{c[0]}-{n}-{c[2]}" for n, c in enumerate(CASES)])
def test_an_event_has_its_cause(tmp_path: Path, form: str, line: str, cause: str) -> None:
    document = analyse_text(tmp_path, line + "\n", "events.log").to_dict()
    assert document["inputs"][0]["format"] == form, f"read as {document['inputs'][0]['format']}: {line[:200]}"
    assert document["inputs"][0]["rejected"] == 0
    found = [(f["cause"], f["confidence"]) for f in document["failures"]]
    assert [name for name, _ in found] == ([] if cause == NONE else [cause]), (
        f"{found}, {[f['alternatives'] for f in document['failures']]} of {line}"
    )


# --- a whole morning -----------------------------------------------------------------------------------------------------


def test_every_format_has_its_sample() -> None:
    assert SAMPLE.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_is_read_whole(name: str) -> None:
    (reading,) = analyze([SAMPLE[name]], key=KEY).inputs
    assert (reading.format, reading.rejected) == (name, 0), reading.rejects[:3]
    assert reading.exchanges > 0


def test_the_second_use_of_a_code_is_proved() -> None:
    """Keycloak names the session that a code is of, Auth0 the code's last characters."""
    for name in ("keycloak-text", "keycloak-json", "keycloak-events-api", "auth0"):
        found = analyze([SAMPLE[name]], key=KEY).failures.filter(pl.col("cause") == "grant/code-reused")
        assert found.height >= 2, name
        assert found["proof"].all(), name


def test_old_and_new_releases_of_keycloak_write_the_same() -> None:
    told = "CODE_TO_TOKEN_ERROR", "invalid_code"
    more = {"code_id": "s1", "reason": "Code not valid, at all"}
    new, old = (keycloak_text.fields_of(MAKE[build](*told, **more)) for build in ("keycloak", "keycloak_old"))
    assert new is not None
    assert old is not None
    assert old.items() <= new.items()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type="LOGIN_ERROR", realmId="a", clientId="web, app", error="x"', {"clientId": "web, app", "error": "x"}),
        ("type=LOGIN_ERROR, realmId=a, clientId=web, redirect_uri=https://app.test/a,b, error=x", {"redirect_uri": "https://app.test/a,b", "error": "x"}),
        ("type=LOGIN_ERROR, realmId=a, scope='openid, email', error=x", {"scope": "openid, email", "error": "x"}),
        ('type="LOGIN_ERROR", realmId="a", reason="say \\"no\\", please", error="x"', {"reason": 'say \\"no\\", please', "error": "x"}),
        ("type=LOGIN_ERROR, realmId=a, clientId=, error=x  ", {"clientId": "", "error": "x"}),
    ],
)  # fmt: skip
def test_the_fields_of_keycloak_s_text_are_told_apart(text: str, expected: dict[str, str]) -> None:
    fields = keycloak_text.fields_of(f"09:14:20,031 WARN  [org.keycloak.events] (default task-12) {text}")
    assert fields is not None
    assert {name: fields[name] for name in expected} == expected


def test_keycloak_s_own_words_between_its_events_are_read(tmp_path: Path) -> None:
    words = "2026-05-04 10:00:02,000 ERROR [org.keycloak.services] (executor-thread-1) KC-SERVICES0095: Client authentication error: invalid_client_credentials"
    lines = [keycloak("LOGIN_ERROR", "client_not_found", client="shpo"), words, keycloak("LOGIN", code_id="s1")]
    analysis = analyse_text(tmp_path, "\n".join(lines) + "\n", "server.log")
    assert [reading.format for reading in analysis.inputs] == ["keycloak-text"]
    assert set(analysis.failures["cause"]) == {"client/unknown-id", "client/wrong-secret"}, told(analysis)


def test_keycloak_s_lines_in_the_schema_of_elastic_are_read() -> None:
    line = json.loads(MAKE["keycloak_line"]("LOGIN_ERROR", "client_not_found"))
    kept = {
        "@timestamp": line["timestamp"],
        "log.logger": line["loggerName"],
        "log.level": "WARN",
        "message": line["message"],
    }
    text = json.dumps(kept).encode()
    assert weigh(text)[0][1] == "keycloak-json"
    rows, _ = rows_of("keycloak-json", text)
    assert [(row["error"], str(row["time"])) for row in rows] == [("client_not_found", "2026-05-04 10:00:01.250000")]


def test_a_refused_request_of_hydra_is_counted_once() -> None:
    lines = [hydra("invalid_grant", "The authorization code has expired."), event("hydra_done", "/oauth2/token", 400)]
    rows, reading = rows_of("hydra-json", "\n".join(lines).encode())
    assert (len(rows), reading.records) == (1, 2)
    rows, _ = rows_of("hydra-json", event("hydra_done", "/oauth2/token", 502).encode())
    assert [row["status"] for row in rows] == [502]


# --- wrapped -------------------------------------------------------------------------------------------------------------

ONE = {
    "okta": MAKE["okta"]("app.oauth2.as.token.grant", "FAILURE", "no_matching_policy"),
    "auth0": MAKE["auth0"]("feccft", "Unauthorized"),
    "entra-graph": MAKE["entra"](
        65001, "The user or administrator has not consented to use the application with ID X."
    ),
    "entra-monitor": MAKE["monitor"](7000222, "The provided client secret keys are expired."),
    "cloudtrail-cognito": MAKE["cognito"]("InitiateAuth", code="ResourceNotFoundException", message="No such client."),
    "google-token-audit": MAKE["google"]("login_failure", "login"),
    "keycloak-events-api": MAKE["keycloak_api"]("LOGIN_ERROR", "client_not_found"),
}
WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "alone": lambda one: one,
    "array": lambda one: [one, one],
    "Graph list": lambda one: {"@odata.context": "https://x", "value": [one, one], "@odata.nextLink": "https://y"},
    "Azure records": lambda one: {"records": [one, one]},
    "CloudTrail records": lambda one: {"Records": [one, one]},
    "Reports list": lambda one: {"kind": "list", "etag": '"x"', "items": [one, one], "nextPageToken": "z"},
    "EventBridge": lambda one: {"version": "0", "detail-type": "x", "source": "aws", "detail": one},
    "EventBridge of a partner": lambda one: {"detail-type": "x", "detail": {"log_id": "1", "data": one}},
    "event hook": lambda one: {"eventType": "com.okta.event_hook", "eventTime": "x", "data": {"events": [one, one]}},
    "log stream": lambda one: {"log_id": "1", "data": one},
    "search export": lambda one: {"hits": {"hits": [{"_source": one}, {"_source": one}]}},
}
ENDED: dict[str, Callable[[Any], str]] = {
    "compact": json.dumps,
    "pretty": partial(json.dumps, indent=2),
    "lines": lambda value: f"{json.dumps(value)}\n{json.dumps(value)}\n",
    "side by side": lambda value: json.dumps(value) * 2,
    "with BOM": lambda value: f"\ufeff{json.dumps(value)}\r\n",
}


@pytest.mark.parametrize("written", ENDED)
@pytest.mark.parametrize("wrapped", WRAPPERS)
def test_a_wrapper_makes_no_difference(wrapped: str, written: str) -> None:
    many = 2 if written in ("lines", "side by side") else 1
    for name, one in ONE.items():
        value = WRAPPERS[wrapped](one)
        text = ENDED[written](value).encode()
        assert weigh(text)[0] == (1.0, name), weigh(text)[:3]
        rows, reading = rows_of(name, text)
        each = json.dumps(value).count(json.dumps(one))
        assert (len(rows), reading.records, reading.rejected) == (many * each, many * each, 0), (name, reading.rejects)
        assert len({row["id"] for row in rows}) == len(rows), name


def test_a_list_that_is_cut_off_is_read_to_its_last_whole_event(tmp_path: Path) -> None:
    text = json.dumps({"value": [ONE["entra-graph"]] * 9})
    (reading,) = analyse_text(tmp_path, text[:-200], "signins.json").inputs
    assert (reading.format, reading.records, reading.exchanges, reading.rejected) == ("entra-graph", 9, 8, 1)
    assert "read up to the last whole entry" in reading.rejects[0].reason


def test_a_broken_line_loses_no_other(tmp_path: Path) -> None:
    line = json.dumps(ONE["okta"])
    (reading,) = analyse_text(tmp_path, f"{line}\n{line[:90]}\n{line}\nnot JSON\n{line}\n", "okta.log").inputs
    assert (reading.exchanges, reading.rejected) == (3, 2), reading.rejects


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "value", "Records", "b"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=4), st.integers(1, 9), st.sampled_from(["", "\n", "\r\n\n", " "]), st.integers(0, 3))
def test_the_size_of_the_pieces_makes_no_difference(values: list[Any], size: int, between: str, indent: int) -> None:
    """Values come as they were written, whatever pieces the stream is read in."""
    text = between.join(json.dumps(value, ensure_ascii=False, indent=indent or None) for value in values).encode()
    read = []
    for piece in (size, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(documents, "CHUNK_BYTES", piece)
            reading = Reading("values", Redactor(KEY))
            read.append((list(documents.Values(io.BytesIO(text), reading)), reading.rejects))
    assert read[0] == read[1]


@pytest.mark.parametrize("written", ["lines", "list", "envelope"])
@pytest.mark.parametrize("size", [1, 7, 50, 64])
def test_a_value_that_is_too_long_is_passed_over(written: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "CHUNK_BYTES", size)
    monkeypatch.setattr(documents, "LONGEST_VALUE", 200)
    monkeypatch.setattr(documents, "LONGEST_START", 20)
    reading = Reading("values", Redactor(KEY))
    long = {"a": ["x" * 500, '"}]{\\'], "b": {"c": "\\" * 99}}
    values = [{"b": 1}, long, {"b": 2}]
    text = {
        "lines": "\n".join(map(json.dumps, values)),
        "list": json.dumps(values),
        "envelope": json.dumps({"value": values, "next": None}),
    }[written]
    found = [value for _, value in documents.Values(io.BytesIO(text.encode()), reading)]
    assert (found, reading.rejected) == ([{"b": 1}, {"b": 2}], 1)
    assert "more than 200 characters" in reading.rejects[0].reason


# --- what it is --------------------------------------------------------------------------------------------------------------

BY_LINE = [name for name, file in SAMPLE.items() if file.suffix != ".json"]


@pytest.mark.parametrize("kept", [1, 3, 20, None])
@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_is_told_by_its_first_lines(name: str, kept: int | None) -> None:
    lines = SAMPLE[name].read_bytes().splitlines(keepends=True)
    if name not in BY_LINE and kept is not None:
        pytest.skip("not a format of lines")
    for start in range(0, len(lines) if kept else 1, 4):
        score, best = weigh(b"".join(lines[start : start + kept] if kept else lines))[0]
        assert best == name, f"{score} from line {start + 1}: {lines[start][:200]!r}"
        assert score >= 0.5


OTHER = {
    "a syslog": "May  4 10:00:01 web1 systemd[1]: Started Session 4 of user ada.\n" * 5,
    "dpkg's log": "2026-05-04 10:00:01 status installed libc6:amd64 2.36-9\n" * 5,
    "a table": "date,region,amount\n2026-05-04,north,12.50\n2026-05-05,south,9.00\n",
    "an API's answer": json.dumps({"value": [{"id": 1, "type": "invoice", "status": {"code": 3}}, {"id": 2, "type": "order"}]}),
    "another API's answer": json.dumps([{"type": "PushEvent", "id": "1", "actor": {"id": 1}, "payload": {}, "created_at": "2026-05-04T10:00:01Z"}]),
    "a trail of other services": json.dumps({"Records": [{"eventVersion": "1.08", "eventSource": "s3.amazonaws.com", "eventName": "GetObject"}]}),
    "logfmt": 'time=2026-05-04T10:00:01Z level=info msg="server started" port=80\n' * 5,
    "another Go service": 'time=2026-05-04T10:00:01Z level=error msg="failed to open file" err="no such file"\n' * 5,
    "settings": json.dumps({"name": "x", "version": "1.0.0", "dependencies": {"a": "^1"}}, indent=2),
    "a log of Quarkus": json.dumps({"timestamp": "2026-05-04T10:00:01Z", "loggerName": "io.quarkus", "level": "INFO", "message": "started"}),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHER)
def test_what_is_no_event_log_is_not_taken_for_one(what: str) -> None:
    scores = {name: score for name, form in FORMATS.items() if (score := form.sniff(OTHER[what].encode())) >= 0.5}
    assert scores == {}


def rows_of(name: str, data: bytes) -> tuple[list[dict[str, Any]], Reading]:
    reading = Reading("events", Redactor(KEY), name)
    return list(FORMATS[name].read(io.BytesIO(data), reading)), reading


@given(st.binary(max_size=300), st.integers(0, 4000), st.sampled_from(sorted(FORMATS)))
def test_any_bytes_are_read(junk: bytes, place: int, name: str) -> None:
    sample = SAMPLE[name].read_bytes()
    for data in (junk, sample[:place] + junk + sample[place:], sample[place:]):
        FORMATS[name].sniff(data)
        rows, reading = rows_of(name, data)
        assert len(rows) == reading.exchanges <= reading.records
        assert reading.exchanges + reading.rejected <= reading.records
        frame(rows)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data(), st.sampled_from(sorted(ONE)))
def test_any_value_in_a_member_is_read(data: st.DataObject, name: str) -> None:
    """Whatever the types of an event's members are, it is read or rejected."""
    one = json.loads(json.dumps(ONE[name]))
    places = list(places_of(one))
    for _ in range(3):
        holder, key = data.draw(st.sampled_from(places))
        holder[key] = data.draw(JSON)
    rows, reading = rows_of(name, json.dumps(one).encode())
    assert reading.records >= 1
    frame(rows)


def places_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every member in a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places_of(value[key])


# --- secrets ------------------------------------------------------------------------------------------------------------------

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLWEtand0"
SECRETS = ("pZ9vQ2xK7mW4nR8tY3uB6cD1fG5hJ0kL", "4/0AX4XfWjYk2pQ9rTz7vB", JWT)
LEAKS: dict[str, Callable[[str], str]] = {
    "keycloak-text": lambda s: keycloak("LOGIN_ERROR", "invalid_redirect_uri", redirect_uri=f"{WEB}?code={s}", reason=f"refresh_token={s}", code_id=s),
    "keycloak-json": lambda s: MAKE["keycloak_line"]("LOGIN_ERROR", "invalid_code", redirect_uri=f"{WEB}?token={s}", reason=f"access_token={s}", code_id=s),
    "keycloak-events-api": lambda s: json.dumps(MAKE["keycloak_api"]("LOGIN_ERROR", "invalid_code", redirect_uri=f"{WEB}#access_token={s}", reason=f"code={s}")),
    "okta": lambda s: okta("app.oauth2.as.authorize", "FAILURE", f"bad code={s}", url=f"/oauth2/v1/authorize?client_id=a&state={s}&nonce={s}&login_hint={s}&id_token_hint={s}", requestUri=f"/oauth2/v1/authorize?id_token_hint={s}"),
    "auth0": lambda s: auth0("feacft", f"no code={s}", details={"code": s, "qs": {"state": s, "nonce": s, "redirect_uri": f"{WEB}?code={s}"}, "body": {"code_verifier": s, "client_secret": s}, "session_id": s, "error": {"message": f"client_secret={s}"}}),
    "entra-graph": lambda s: entra(65001, f"access_token={s}", more=f"id_token={s}"),
    "entra-monitor": lambda s: monitor(7000222, f"client_secret={s}"),
    "cloudtrail-cognito": lambda s: cognito("Token_POST", status=400.0, code="NotAuthorizedException", message=f"refresh_token={s}", redirect_uri=f"{WEB}?code={s}", state=s, nonce=s, refresh_token=s),
    "google-token-audit": lambda s: google("login_failure", "login", login_failure_type=f"token={s}", scope=f"access_token={s}"),
    "hydra-json": lambda s: json.dumps(MAKE["hydra"]("invalid_grant", f"code={s}") | {"http_request": MAKE["hydra_request"]("/oauth2/token") | {"query": f"code={s}&state={s}", "headers": {"authorization": f"Bearer {s}", "cookie": f"sid={s}"}}}),
    "authentik-json": lambda s: event("authentik_request", f"/application/o/authorize/?client_id=a&response_type=code&state={s}&nonce={s}&id_token_hint={s}", 400) + "\n" + authentik(f"bad code={s}", "authentik.providers.oauth2.views.token", redirect_uri=f"{WEB}?code={s}"),
    "dex-text": lambda s: dex("failed to get refresh token", f"refresh_token={s}", client_id="a"),
    "zitadel-text": lambda s: zitadel("invalid_grant", f"code={s} is unknown"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_stays_in_a_row(name: str, secret: str) -> None:
    line = LEAKS[name](secret)
    assert secret in line
    rows, reading = rows_of(name, f"{line}\n{line[: line.rfind(secret) + len(secret)]}\n".encode())
    assert rows
    told = repr(rows) + repr(reading.rejects) + repr(reading)
    assert secret not in told, told[max(0, told.find(secret) - 200) :][:300]


def test_no_user_is_named() -> None:
    """Of a user a fingerprint is kept, the same in each event of theirs."""
    named = [name for name, file in SAMPLE.items() if b"ada@acme.test" in file.read_bytes()]
    assert len(named) >= 3
    for name in named:
        rows, _ = rows_of(name, SAMPLE[name].read_bytes())
        assert "ada@" not in repr(rows), name
        assert len({row["user_fp"] for row in rows} - {None}) == 1, name
