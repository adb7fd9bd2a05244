"""For each exchange, what its neighbours tell: the columns that the causes' signs ask for, computed once, vectorised.

Every function takes the correlated frame and adds columns; :data:`ADDED` names them with their meaning. A comparison
needs two sides that were seen: where one is unknown the column is null, and no sign fires.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from oauthtrace.context import announced, clients, logs, servers, sign_in, tokens

Part = Callable[[pl.DataFrame], pl.DataFrame]
ADDED: tuple[tuple[str, Any, str], ...] = (
    ("authorize_redirect_uri", pl.String, "redirect_uri of the same flow's authorize request"),
    ("redirect_vs_authorize", pl.String, "how redirect_uri differs from it: equal, absent, or one of redirect_uri.DIFFERENCES"),
    ("worked_redirect_uri", pl.String, "nearest redirect_uri with which the same client succeeded at the same step"),
    ("other_redirect_uri", pl.String, "redirect_uri with which the same client succeeded, where this request has none"),
    ("redirect_vs_worked", pl.String, "how redirect_uri differs from it"),
    ("delivered_redirect_uri", pl.String, "where the server sent the answer instead of redirect_uri"),
    ("redirect_vs_delivered", pl.String, "how redirect_uri differs from it"),
    ("code_age_s", pl.Float64, "seconds from issue (or first sight) of the code to its redemption"),
    ("code_lifetime_s", pl.Float64, "longest age at which this server accepted a code, or the documented lifetime"),
    ("code_too_old", pl.Boolean, "older than any code that this server accepted, and old by RFC 6749 §4.1.2 or the provider's lifetime"),
    ("code_used_before", pl.Boolean, "the same code was presented before"),
    ("code_redeemed_before", pl.Boolean, "the same code was presented before with success"),
    ("code_used_ago_s", pl.Float64, "seconds since it was presented first"),
    ("code_won_later", pl.Boolean, "the same code was refused now and accepted later"),
    ("audience_named", pl.Boolean, "the message names the resource or audience that was asked for"),
    ("code_client_differs", pl.Boolean, "the code was issued to another client_id"),
    ("code_issuer_differs", pl.Boolean, "the code was issued by another host"),
    ("code_not_as_issued", pl.Boolean, "the flow's authorize answer issued another code than the one presented"),
    ("pkce", pl.String, "match, mismatch, plain (method left out), verifier missing, challenge missing"),
    ("authorize_challenge", pl.String, "code_challenge of the flow's authorize request"),
    ("secret_vs_worked", pl.String, "the secret against the client's last success at this host: same or differs"),
    ("method_vs_worked", pl.String, "authentication method of the client's last success at this host when it differs"),
    ("method_not_offered", pl.Boolean, "the authentication method is none that the provider or its metadata offers"),
    ("worked_before_s", pl.Float64, "seconds since the client's last success at this host and step"),
    ("client_worked", pl.Boolean, "the client had a success at this host and step before"),
    ("client_known", pl.Boolean, "the server accepted this client_id in some exchange"),
    ("similar_client", pl.String, "a client_id that worked at this host and differs in at most two characters"),
    ("refresh_used_before", pl.Boolean, "the same refresh token was exchanged before with success"),
    ("refresh_used_ago_s", pl.Float64, "seconds since then"),
    ("refresh_rotated", pl.Boolean, "that exchange gave a new refresh token"),
    ("refresh_client_differs", pl.Boolean, "the refresh token was issued to another client_id"),
    ("refresh_is_access_token", pl.Boolean, "the value presented as refresh token was issued as something else"),
    ("refresh_age_s", pl.Float64, "seconds since the refresh token was issued"),
    ("refresh_never_issued", pl.Boolean, "the flow's token answer gave no refresh token"),
    ("revoked_before", pl.Boolean, "the token presented was revoked earlier in the capture, or its family"),
    ("token_age_s", pl.Float64, "seconds since the access token was issued"),
    ("token_expired", pl.Boolean, "past exp, or older than expires_in"),
    ("token_expired_by_s", pl.Float64, "seconds past that moment"),
    ("token_worked_before", pl.Boolean, "the same token was accepted before at this host"),
    ("lacking_scope", pl.String, "scope demanded, or asked for, that the token does not hold"),
    ("refused_scope", pl.String, "scope of this request that no success of this client ever asked for"),
    ("clock_off_s", pl.Float64, "server's Date header minus the time of capture, seconds, median of the host"),
    ("jwt_time", pl.String, "expired, not yet valid, issued in the future, stale, too long"),
    ("endpoint_ok", pl.Boolean, "the same URL answered well at some time in the capture"),
    ("endpoint_failing", pl.Float64, "share of requests to this endpoint within five minutes that fail alike (5xx, no answer)"),
    ("state_unknown", pl.Boolean, "authorize requests of this client were seen, none with the returned state"),
    ("callback_other_host", pl.Boolean, "the sign-in began on another host of the application than the callback's"),
    ("cookies_lost", pl.Boolean, "the application set cookies before, and the callback came without them"),
    ("only_in_failures", pl.List(pl.String), "parameters whose value occurs in this client's failures and in no success"),
    ("issuer_differs", pl.Boolean, "issuer announced is not the one that the URL or the token has"),
    ("kid_unknown", pl.Boolean, "the key id is in none of the JWKS that the capture shows"),
    ("alg_unexpected", pl.Boolean, "signed with another algorithm than the metadata announces"),
    ("nonce_differs", pl.Boolean, "nonce in the ID token is not the one of the authorize request"),
    ("device_too_old", pl.Boolean, "device code older than its expires_in"),
    ("sometimes_works", pl.Boolean, "the same request of the same client fails and works in turn"),
    ("callback_extra", pl.String, "parameters of the callback that no server adds: the redirect URI has a query of its own"),
    ("in_token_exchange", pl.Boolean, "the log entry tells of the code's redemption, after a callback that brought a code"),
    ("text_status", pl.Int64, "HTTP status that a log entry names"),
    ("other_token_endpoint", pl.String, "another URL to which token requests of this host's clients went with success"),
    ("redirected_inside", pl.Boolean, "the answer redirects to an address without a public name"),
    ("endpoint_inside", pl.Boolean, "the browser was sent to a server without a public name"),
    ("flow_issuer_differs", pl.Boolean, "a token answer of the flow names another issuer than its host's metadata"),
    ("flow_alg", pl.String, "alg of the flow's ID token"),
    ("log_without_refresh", pl.Boolean, "a line of the same log, before this one, says that there is no refresh token"),
    ("log_session_differs", pl.Boolean, "log lines of one sign-in name different sessions or processes"),
    ("server_changed", pl.Boolean, "Server header differs from the good answers of the same host"),
    ("callback_dropped", pl.Boolean, "an access log shows the callback's parameters that the application's log lacks"),
    ("preflight_failed", pl.Boolean, "the CORS preflight of this URL failed"),
    ("aud_foreign", pl.Boolean, "aud of the assertion names another host than the one addressed"),
    ("kid_differs_from_worked", pl.Boolean, "kid of the assertion is not the one of the client's successes"),
    ("user_login_at_token", pl.Boolean, "the token endpoint answers as if a user had logged in"),
    ("code_swapped", pl.Boolean, "the verifier belongs to the challenge of another sign-in"),
    ("log_double_redeem", pl.Boolean, "the log shows two redemptions in a row, the first of them good"),
    ("log_refresh_race", pl.Boolean, "the log shows a good refresh just before this failed one"),
    ("refresh_too_old", pl.Boolean, "refresh token older than the lifetime that the server told"),
    ("refresh_lifetime_s", pl.Float64, "lifetime of the refresh token that the server told"),
    ("refresh_issued_seen", pl.Boolean, "the refresh token was issued in this capture"),
    ("refresh_family_reused", pl.Boolean, "an earlier token of the same chain was used twice"),
    ("aud_is_client", pl.Boolean, "aud of the bearer token is the client's own id"),
    ("aud_elsewhere", pl.Boolean, "aud of the bearer token is none that this host accepted"),
    ("scope_known_elsewhere", pl.Boolean, "another client was granted the refused scope by this host"),
    ("begun_at", pl.String, "host of the application where the sign-in began"),
    ("flow_token_failed", pl.Boolean, "a token request of the flow failed"),
    ("flow_email_unverified", pl.Boolean, "a token of the flow says email_verified: false"),
    ("flow_without_email", pl.Boolean, "the flow's ID token holds no e-mail address"),
    ("scopes_announced", pl.Boolean, "every scope asked for is in the server's scopes_supported"),
    ("unannounced_scope", pl.String, "scopes asked for that are not in scopes_supported"),
    ("grant_unannounced", pl.Boolean, "the grant type is not in grant_types_supported"),
    ("response_type_unannounced", pl.Boolean, "the response type is not in response_types_supported"),
    ("announced_endpoint", pl.String, "the URL that the metadata announces for this step at the same host, where it is another"),
    ("stopped_after_metadata", pl.Boolean, "the client read the metadata after this challenge and did nothing more"),
    ("registration_missing", pl.Boolean, "so it did, the metadata has no registration_endpoint, and no client_id is known"),
    ("announced_resource", pl.String, "so it did, and this resource in the metadata is not the URL asked for (RFC 9728 §3.3)"),
)  # fmt: skip


def at_unnamed_hosts(part: Part) -> Part:
    """Let exchanges whose log does not write the host count as at one host, so that they are compared too."""

    def with_place(frame: pl.DataFrame) -> pl.DataFrame:
        done = part(frame.with_columns(pl.col("host").fill_null("")))
        return done.with_columns(host=pl.when(pl.col("host") != "").then("host"))

    return with_place


def add_context(frame: pl.DataFrame) -> pl.DataFrame:
    """All columns of ADDED, for every exchange."""
    for part in (
        at_unnamed_hosts(sign_in.redirects),
        sign_in.codes,
        sign_in.pkce,
        at_unnamed_hosts(clients.clients),
        tokens.refresh,
        tokens.tokens,
        at_unnamed_hosts(tokens.scopes),
        tokens.clocks,
        at_unnamed_hosts(servers.endpoints),
        sign_in.state,
        servers.documents,
        tokens.devices,
        at_unnamed_hosts(clients.differential),
        servers.flow_answers,
        servers.neighbours,
        announced.announced,
        logs.log_lines,
    ):
        frame = part(frame)
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype, _ in ADDED if name not in frame.columns]
    return frame.with_columns(missing)
