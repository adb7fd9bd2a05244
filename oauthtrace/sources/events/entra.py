"""What sign-ins of Microsoft Entra ID mean, from Microsoft Graph or from Azure Monitor.

Code N of a log is ``AADSTS<N>``: https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

from __future__ import annotations

from oauthtrace.sources.events.entries import Event, Members, listed, parsed, pick, text_at, whole
from oauthtrace.sources.times import to_epoch

PROVIDER = "entra"
_GRANTS = {
    "deviceCode": "urn:ietf:params:oauth:grant-type:device_code",
    "ropc": "password",
    "oAuth2": None,
    "clientCredentials": "client_credentials",
}
_TOKEN_CATEGORIES = ("ServicePrincipalSignInLogs", "ManagedIdentitySignInLogs")
_AT_TOKEN = (
    "grant/",
    "client/wrong",
    "client/missing",
    "client/assertion",
    "client/expired",
    "client/auth",
    "binding/pkce-m",
)
"""Causes that only the token endpoint can find: a sign-in's code tells the endpoint where the log does not."""


def event_of(sign_in: Members, outer: Members) -> Event | None:
    """The event of a sign-in: a ``signIn`` object of Graph, and what Azure Monitor writes around it.

    None for a code that is only a stop on the way: the page "stay signed in?".
    """
    status = parsed(pick(sign_in, "status", "Status"))
    number = whole(pick(status, "errorCode")) if isinstance(status, dict) else None
    if number is None:
        number = whole(pick(outer, "resultType", "ResultType"))
    if number is None:
        return None
    known = listed(PROVIDER, f"AADSTS{number}")
    if known is not None and known.cause == "none":
        return None
    at_token = known is not None and known.cause.startswith(_AT_TOKEN)
    category = text_at(outer, "category", "Category") or ""
    app_only = category.startswith(_TOKEN_CATEGORIES) or "servicePrincipal" in (
        text_at(sign_in, "signInEventTypes") or ""
    )
    interactive = pick(sign_in, "isInteractive", "IsInteractive")
    protocol = text_at(sign_in, "authenticationProtocol", "AuthenticationProtocol") or ""
    silent = "refreshToken" in (text_at(sign_in, "incomingTokenType", "IncomingTokenType") or "")
    grant = "client_credentials" if app_only else "refresh_token" if silent else _GRANTS.get(protocol)
    reason = text_at(status, "failureReason") or text_at(outer, "resultDescription", "ResultDescription")
    return Event(
        PROVIDER,
        f"AADSTS{number}" if number else "sign-in",
        failed=number != 0,
        step="token" if grant or at_token else "authorization" if interactive is not False else "event",
        time=to_epoch(
            text_at(sign_in, "createdDateTime", "CreatedDateTime") or text_at(outer, "time", "TimeGenerated")
        ),
        client_id=text_at(sign_in, "appId", "AppId"),
        user=text_at(sign_in, "userId", "userPrincipalName", "UserId", "UserPrincipalName"),
        address=text_at(sign_in, "ipAddress", "IPAddress") or text_at(outer, "callerIpAddress", "IPAddress"),
        user_agent=text_at(sign_in, "userAgent", "UserAgent"),
        error_code=f"AADSTS{number}",
        description=None if reason == "Other." else reason,
        more=(text_at(status, "additionalDetails"), _policies(sign_in) if number else None),
        grant_type=grant,
        audience=text_at(sign_in, "resourceId", "ResourceIdentity"),
        request_id=text_at(sign_in, "correlationId", "CorrelationId")
        or text_at(outer, "correlationId", "CorrelationId"),
    )


def _policies(sign_in: Members) -> str | None:
    """The Conditional Access policies that refused."""
    listed = parsed(pick(sign_in, "appliedConditionalAccessPolicies", "ConditionalAccessPolicies"))
    names = [
        str(policy.get("displayName"))
        for policy in (listed if isinstance(listed, list) else ())
        if isinstance(policy, dict) and policy.get("result") == "failure"
    ]
    return f"Conditional Access policy: {', '.join(names)}" if names else None
