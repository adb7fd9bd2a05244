"""For each exchange, what its neighbours tell: the columns that the causes' signs ask for, computed once, vectorised.

Every function takes the correlated frame and adds columns; :data:`ADDED` names them with their meaning. A comparison
needs two sides that were seen: where one is unknown the column is null, and no sign fires.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from oauthtrace.correlate import has, of_text_log, told_success
from oauthtrace.oauth.endpoints import belongs
from oauthtrace.oauth.redirect_uri import difference
from oauthtrace.providers import providers

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
    ("token_issued_here", pl.Boolean, "the token was issued in this capture"),
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
    ("retry_of", pl.Int64, "n of an earlier failed try of the same request"),
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
    ("iss_of_other_version", pl.Boolean, "issuer of the token is that of another token version of the same tenant"),
)  # fmt: skip

_NEAR_S = 600.0
CODE_LIFETIME_S = 600.0
"""RFC 6749 §4.1.2: a maximum of ten minutes is recommended."""


def add_context(frame: pl.DataFrame) -> pl.DataFrame:
    """All columns of ADDED, for every exchange."""
    for part in (
        _redirects,
        _codes,
        _pkce,
        _clients,
        _refresh,
        _tokens,
        _scopes,
        _clocks,
        _endpoints,
        _state,
        _documents,
        _devices,
        _differential,
        _flow_answers,
        _neighbours,
        _log_lines,
    ):
        frame = part(frame)
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype, _ in ADDED if name not in frame.columns]
    return frame.with_columns(missing)


def _seconds(delta: pl.Expr) -> pl.Expr:
    return delta.dt.total_microseconds() / 1e6


def _first_in_flow(frame: pl.DataFrame, where: pl.Expr, **columns: str) -> pl.DataFrame:
    """Per flow the first exchange that fits: flow and the columns under new names."""
    return (
        frame.filter(where)
        .group_by("flow", maintain_order=True)
        .agg(**{new: pl.col(old).first() for new, old in columns.items()})
    )


def _map_pairs(frame: pl.DataFrame, left: str, right: str, name: str) -> pl.DataFrame:
    """How two URI columns differ, computed once for each distinct pair."""
    pairs = frame.select(left, right).drop_nulls().unique()
    kinds = [difference(a, b) or "equal" for a, b in pairs.iter_rows()]
    return frame.join(
        pairs.with_columns(pl.Series(name, kinds, dtype=pl.String)), on=[left, right], how="left", maintain_order="left"
    )


def _nearest_success(
    frame: pl.DataFrame, by: list[str], values: list[str], where: pl.Expr | None = None
) -> pl.DataFrame:
    """For each row, ``values`` of the last success before it with equal ``by``, else of the first one after it."""
    good = (
        ~pl.col("failed")
        & pl.col("healthy").is_null()
        & pl.col("time").is_not_null()
        & pl.all_horizontal(pl.col(c).is_not_null() for c in (*by, *values))
    )
    if where is not None:
        good = good & where
    ok = (
        frame.filter(good)
        .select(*by, "time", *[pl.col(v).alias(f"ok_{v}") for v in values], ok_at=pl.col("time"))
        .sort("time")
    )
    rows = frame.select("n", *by, "time").drop_nulls().sort("time")
    before = rows.join_asof(
        ok, on="time", by=by, strategy="backward", allow_exact_matches=False, check_sortedness=False
    )
    after = rows.join_asof(
        ok, on="time", by=by, strategy="forward", allow_exact_matches=False, check_sortedness=False
    ).select("n", *[pl.col(f"ok_{v}").alias(f"next_{v}") for v in values])
    both = before.join(after, on="n", how="left")
    return both.select(
        "n",
        "ok_at",
        *[pl.coalesce(f"ok_{v}", f"next_{v}").alias(f"ok_{v}") for v in values],
        *[pl.col(f"ok_{v}").is_not_null().alias(f"before_{v}") for v in values[:1]],
    )


def _redirects(frame: pl.DataFrame) -> pl.DataFrame:
    asked = _first_in_flow(
        frame,
        pl.col("step").is_in(["authorization", "par"]) & pl.col("redirect_uri").is_not_null(),
        authorize_redirect_uri="redirect_uri",
    )
    frame = frame.join(asked, on="flow", how="left", maintain_order="left")
    frame = _map_pairs(frame, "redirect_uri", "authorize_redirect_uri", "redirect_vs_authorize")
    is_redeem = (pl.col("step") == "token") & (pl.col("grant_type") == "authorization_code")
    frame = frame.with_columns(
        redirect_vs_authorize=pl.when(is_redeem & has("no redirect_uri") & pl.col("authorize_redirect_uri").is_not_null()).then(pl.lit("absent"))
        .when(is_redeem).then("redirect_vs_authorize")
    )  # fmt: skip
    near = _nearest_success(frame, ["client_id", "host", "step"], ["redirect_uri"]).select(
        "n", worked="ok_redirect_uri"
    )
    frame = frame.join(near, on="n", how="left", maintain_order="left")
    frame = frame.with_columns(
        worked_redirect_uri=pl.when(pl.col("redirect_uri").is_not_null()).then("worked"),
        other_redirect_uri=pl.when(pl.col("redirect_uri").is_null()).then("worked"),
    ).drop("worked")
    frame = _map_pairs(frame, "redirect_uri", "worked_redirect_uri", "redirect_vs_worked")
    delivered = [
        json.loads(d)["redirected_to"] if d and d.startswith('{"redirected_to"') else None for d in frame["document"]
    ] if frame["document"].str.starts_with('{"redirected_to"').any() else [None] * frame.height  # fmt: skip
    frame = frame.with_columns(pl.Series("delivered_redirect_uri", delivered, dtype=pl.String))
    return _map_pairs(frame, "redirect_uri", "delivered_redirect_uri", "redirect_vs_delivered")


def _codes(frame: pl.DataFrame) -> pl.DataFrame:
    issued = (
        frame.filter(pl.col("issued_code_fp").is_not_null())
        .group_by("issued_code_fp", maintain_order=True)
        .agg(
            issued_at=pl.col("time").first(),
            issued_client=pl.col("client_id").drop_nulls().first(),
            issued_host=pl.col("host").first(),
        )
        .rename({"issued_code_fp": "code_fp"})
    )
    seen = (
        frame.filter(pl.col("code_fp").is_not_null() & (pl.col("step") == "redirection"))
        .group_by("code_fp", maintain_order=True)
        .agg(seen_at=pl.col("time").first())
    )
    frame = frame.join(issued, on="code_fp", how="left", maintain_order="left").join(
        seen, on="code_fp", how="left", maintain_order="left"
    )
    redeem = (pl.col("step") == "token") & pl.col("code_fp").is_not_null()
    uses = (
        frame.filter(redeem)
        .select("n", "code_fp", "time", "failed")
        .with_columns(
            nth=pl.col("n").cum_count().over("code_fp"),
            won=(~pl.col("failed")).cast(pl.Int64).cum_sum().over("code_fp") - (~pl.col("failed")).cast(pl.Int64),
            won_at=pl.when(~pl.col("failed")).then("time").min().over("code_fp"),
            first_at=pl.col("time").first().over("code_fp"),
        )
        .select(
            "n",
            code_used_before=pl.col("nth") > 1,
            code_redeemed_before=(pl.col("won") > 0)
            | (pl.col("failed") & (_seconds(pl.col("won_at") - pl.col("time")) < 0.1)).fill_null(False),
            code_won_later=(pl.col("won") == 0)
            & pl.col("failed")
            & (_seconds(pl.col("won_at") - pl.col("time")) >= 0.1).fill_null(False),
            code_used_ago_s=_seconds(pl.col("time") - pl.col("first_at")),
        )
    )
    frame = frame.join(uses, on="n", how="left", maintain_order="left")
    age = _seconds(pl.col("time") - pl.coalesce("issued_at", "seen_at"))
    lifetimes = {
        p.id: float(p.authorization_code_lifetime_s) for p in providers().values() if p.authorization_code_lifetime_s
    }
    frame = frame.with_columns(
        code_age_s=pl.when(redeem & (age >= 0)).then(age),
        code_lifetime_s=pl.col("provider").replace_strict(lifetimes, default=None, return_dtype=pl.Float64),
        code_client_differs=pl.when(redeem).then(pl.col("issued_client") != pl.col("client_id")),
        code_issuer_differs=pl.when(redeem).then(pl.col("issued_host") != pl.col("host")),
    )
    learnt = pl.when(redeem & ~pl.col("failed")).then("code_age_s").max().over("host")
    failed_ages = pl.when(redeem & pl.col("failed")).then("code_age_s").min().over("host")
    old = pl.col("code_age_s") > pl.coalesce("code_lifetime_s", pl.lit(CODE_LIFETIME_S))
    # old for this server: older than every code that it accepted, by a factor, while no younger one was refused
    old_here = (
        (pl.col("code_age_s") > 20) & (pl.col("code_age_s") > 4 * learnt) & (pl.col("code_age_s") > 0.8 * failed_ages)
    )
    other = _first_in_flow(
        frame, pl.col("issued_code_fp").is_not_null(), flow_issued="issued_code_fp", flow_issued_facts="facts"
    )
    frame = frame.with_columns(code_too_old=pl.when(redeem).then(old | old_here.fill_null(False))).join(
        other, on="flow", how="left", maintain_order="left"
    )
    known = pl.col("issued_at").is_not_null() | pl.col("seen_at").is_not_null()
    return frame.with_columns(
        code_not_as_issued=pl.when(redeem & ~known & pl.col("flow_issued").is_not_null()).then(
            pl.col("flow_issued") != pl.col("code_fp")
        )
    ).drop("issued_at", "seen_at", "issued_client", "issued_host", "flow_issued", "flow_issued_facts")


def _pkce(frame: pl.DataFrame) -> pl.DataFrame:
    asked = pl.col("step").is_in(["authorization", "par"]) & pl.col("client_id").is_not_null()
    first = frame.filter(asked & (pl.col("code_challenge").is_not_null() | has("no code_challenge"))).group_by("flow", maintain_order=True).agg(
        authorize_challenge=pl.col("code_challenge").drop_nulls().last(), authorize_method=pl.col("code_challenge_method").drop_nulls().last(),
        authorize_challenge_fp=pl.col("challenge_fp").drop_nulls().last(), asked_without=pl.lit(True),
    )  # fmt: skip
    frame = frame.join(first, on="flow", how="left", maintain_order="left")
    redeem = (pl.col("step") == "token") & (pl.col("grant_type") == "authorization_code")
    sent, asked_for = pl.col("verifier_s256"), pl.col("authorize_challenge")
    pkce = (
        pl.when(~redeem).then(None)
        .when(sent.is_not_null() & asked_for.is_not_null() & (pl.col("authorize_method").str.to_lowercase() == "s256"))
        .then(pl.when(sent == asked_for).then(pl.lit("match")).otherwise(pl.lit("mismatch")))
        .when(sent.is_not_null() & asked_for.is_not_null() & (pl.col("verifier_fp") == pl.col("authorize_challenge_fp"))).then(pl.lit("match"))
        .when(sent.is_not_null() & asked_for.is_not_null() & (pl.col("s256_fp") == pl.col("authorize_challenge_fp"))).then(pl.lit("plain"))
        .when(sent.is_not_null() & asked_for.is_not_null()).then(pl.lit("mismatch"))
        .when(asked_for.is_not_null() & (has("no code_verifier") | has("empty code_verifier"))).then(pl.lit("verifier missing"))
        .when(sent.is_not_null() & asked_for.is_null() & pl.col("asked_without").fill_null(False)).then(pl.lit("challenge missing"))
    )  # fmt: skip
    return frame.with_columns(pkce=pkce).drop("authorize_method", "authorize_challenge_fp", "asked_without")


def _clients(frame: pl.DataFrame) -> pl.DataFrame:
    by = ["client_id", "host", "step"]
    secrets = _nearest_success(frame, by, ["secret_fp"], pl.col("secret_fp").is_not_null()).select(
        "n", "ok_secret_fp", had_before="before_secret_fp"
    )
    methods = _nearest_success(frame, by, ["auth_method"], pl.col("auth_method").is_not_null()).select(
        "n", "ok_auth_method", worked_at="ok_at"
    )
    frame = frame.join(secrets, on="n", how="left", maintain_order="left").join(
        methods, on="n", how="left", maintain_order="left"
    )
    ok = ~pl.col("failed") & pl.col("healthy").is_null()
    authenticated = pl.col("step").is_in(["token", "introspection", "revocation", "par", "device-authorization"])
    known = (
        ok
        & pl.col("client_id").is_not_null()
        & (authenticated | (pl.col("issued_code_fp").is_not_null()) | has("redirected with code"))
    )
    # an error of another kind than invalid_client also shows that the server knows the client
    vouched = authenticated & pl.col("error").is_in(["invalid_grant", "invalid_scope", "unsupported_grant_type"])
    frame = frame.with_columns(
        secret_vs_worked=pl.when(pl.col("ok_secret_fp").is_not_null() & pl.col("secret_fp").is_not_null()).then(
            pl.when(pl.col("ok_secret_fp") == pl.col("secret_fp")).then(pl.lit("same")).otherwise(pl.lit("differs"))
        ),
        method_vs_worked=pl.when(pl.col("auth_method") != pl.col("ok_auth_method")).then("ok_auth_method"),
        worked_before_s=_seconds(pl.col("time") - pl.col("worked_at")),
        client_worked=pl.when(pl.col("client_id").is_not_null()).then(pl.col("worked_at").is_not_null()),
        client_known=pl.when(pl.col("client_id").is_not_null()).then((known | vouched).any().over("client_id", "host")),
    )
    frame = frame.join(_offered_methods(frame), on="host", how="left", maintain_order="left")
    documented = {p.id: list(p.client_auth) for p in providers().values() if p.client_auth}
    by_provider = pl.DataFrame(
        {"provider": list(documented), "documented": list(documented.values())},
        schema={"provider": pl.String, "documented": pl.List(pl.String)},
    )
    frame = frame.join(by_provider, on="provider", how="left", maintain_order="left")
    offered = pl.coalesce("offered", "documented")
    by_secret = pl.col("auth_method").is_in(["client_secret_basic", "client_secret_post"])
    frame = frame.with_columns(
        method_not_offered=pl.when(by_secret & offered.is_not_null()).then(~pl.col("auth_method").is_in(offered))
    ).drop("offered", "documented")
    return _similar(frame).drop("ok_secret_fp", "had_before", "ok_auth_method", "worked_at")


def _offered_methods(frame: pl.DataFrame) -> pl.DataFrame:
    """Host of the token endpoint -> authentication methods that a metadata document of the capture offers (RFC 8414 §2)."""
    found = {}
    for document in frame.filter((pl.col("step") == "metadata") & pl.col("document").is_not_null())[
        "document"
    ].unique():
        data = json.loads(document) if document.endswith("}") else {}
        methods, endpoint = data.get("token_endpoint_auth_methods_supported"), data.get("token_endpoint")
        if isinstance(methods, list) and isinstance(endpoint, str):
            found[urlsplit(endpoint).netloc.lower()] = [str(m) for m in methods]
    return pl.DataFrame(
        {"host": list(found), "offered": list(found.values())},
        schema={"host": pl.String, "offered": pl.List(pl.String)},
    )


def _similar(frame: pl.DataFrame) -> pl.DataFrame:
    """A client_id that worked at the same host and looks like a failing one."""
    pairs = (
        frame.filter(pl.col("client_id").is_not_null()).select("client_id", "host", "failed", "client_known").unique()
    )
    good = pairs.filter(~pl.col("failed") & pl.col("client_known")).select("client_id", "host").unique()
    bad = pairs.filter(pl.col("failed") & ~pl.col("client_known")).select("client_id", "host").unique()
    if good.is_empty() or bad.is_empty() or good.height * bad.height > 200_000:
        return frame.with_columns(similar_client=pl.lit(None, dtype=pl.String))
    rows = [
        (b, host, g)
        for b, host in bad.iter_rows()
        for g, other in good.iter_rows()
        if host == other and b != g and _close(b, g)
    ]
    table = pl.DataFrame(
        rows, schema={"client_id": pl.String, "host": pl.String, "similar_client": pl.String}, orient="row"
    ).unique(["client_id", "host"], keep="first")
    return frame.join(table, on=["client_id", "host"], how="left", maintain_order="left")


def _close(a: str, b: str) -> bool:
    """At most two characters changed, added, dropped or swapped in case."""
    if abs(len(a) - len(b)) > 2 or min(len(a), len(b)) < 3:
        return False
    previous = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        current = [i]
        for j, cb in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (ca != cb)))
        previous = current
    return previous[-1] <= 2 or a.lower().strip() == b.lower().strip()


def _refresh(frame: pl.DataFrame) -> pl.DataFrame:
    refresh = (pl.col("step") == "token") & pl.col("refresh_token_fp").is_not_null()
    uses = (
        frame.filter(refresh)
        .select(
            "n",
            "refresh_token_fp",
            "time",
            "failed",
            gave=pl.col("issued_refresh_fp").is_not_null()
            & (pl.col("issued_refresh_fp") != pl.col("refresh_token_fp")),
        )
        .with_columns(
            ok=~pl.col("failed"),
            nth=pl.col("n").cum_count().over("refresh_token_fp"),
        )
        .with_columns(
            won_at=pl.when("ok").then("time").min().over("refresh_token_fp"),
            won_n=pl.when("ok").then("n").min().over("refresh_token_fp"),
            rotated=(pl.col("ok") & pl.col("gave")).any().over("refresh_token_fp"),
        )
        .select(
            "n",
            refresh_used_before=(pl.col("won_n") < pl.col("n"))
            | (
                pl.col("failed")
                & pl.col("won_n").is_not_null()
                & (_seconds(pl.col("won_at") - pl.col("time")).abs() < 5)
            ),
            refresh_used_ago_s=_seconds(pl.col("time") - pl.col("won_at")),
            refresh_rotated="rotated",
        )
        .with_columns(pl.col("refresh_used_before").fill_null(False))
    )
    issued = (
        frame.filter(pl.col("issued_refresh_fp").is_not_null())
        .group_by("issued_refresh_fp", maintain_order=True)
        .agg(
            refresh_issued_at=pl.col("time").last(),
            refresh_client=pl.col("client_id").drop_nulls().first(),
            refresh_lifetime_s=pl.col("refresh_expires_in").drop_nulls().last(),
        )
        .rename({"issued_refresh_fp": "refresh_token_fp"})
    )
    frame = frame.join(uses, on="n", how="left", maintain_order="left").join(
        issued, on="refresh_token_fp", how="left", maintain_order="left"
    )
    value = pl.col("refresh_token_fp").str.split(":").list.last()
    others = (
        pl.concat(
            [
                frame.select(v=pl.col(c).str.split(":").list.last())
                for c in ("issued_token_fp", "issued_code_fp", "token_fp")
            ]
        )
        .drop_nulls()
        .unique()
    )
    is_other = value.is_in(others["v"].implode())
    revoked = (
        frame.filter((pl.col("step") == "revocation") & ~pl.col("failed"))
        .select(gone=pl.col("token_fp").str.split(":").list.last(), gone_at="time", gone_flow="flow")
        .drop_nulls("gone")
    )
    first_gone = revoked.group_by("gone").agg(pl.col("gone_at").min())
    flows_gone = revoked.group_by("gone_flow").agg(flow_gone_at=pl.col("gone_at").min())
    frame = (
        frame.with_columns(own=pl.coalesce(value, pl.col("token_fp").str.split(":").list.last()))
        .join(first_gone, left_on="own", right_on="gone", how="left", maintain_order="left")
        .join(flows_gone, left_on="flow", right_on="gone_flow", how="left", maintain_order="left")
    )
    # an identity provider's own log names no token, but whose grant was withdrawn
    withdrawn = (
        frame.filter((pl.col("step") == "revocation") & has("success event"))
        .drop_nulls(["client_id", "user_fp"])
        .group_by("client_id", "user_fp")
        .agg(withdrawn_at=pl.col("time").min())
    )
    frame = frame.join(withdrawn, on=["client_id", "user_fp"], how="left", maintain_order="left")
    never = (
        frame.filter((pl.col("step") == "token") & ~pl.col("failed") & pl.col("issued_token_fp").is_not_null())
        .group_by("source_file", "client_id")
        .agg(refresh_never_issued=has("no refresh token issued").all())
    )
    return (
        frame.join(never, on=["source_file", "client_id"], how="left", maintain_order="left")
        .with_columns(
            refresh_client_differs=pl.when(refresh).then(pl.col("refresh_client") != pl.col("client_id")),
            refresh_is_access_token=pl.when(refresh).then(is_other & pl.col("refresh_issued_at").is_null()),
            refresh_age_s=pl.when(refresh).then(_seconds(pl.col("time") - pl.col("refresh_issued_at"))),
            refresh_issued_seen=pl.when(refresh).then(pl.col("refresh_issued_at").is_not_null()),
            refresh_too_old=pl.when(refresh).then(
                _seconds(pl.col("time") - pl.col("refresh_issued_at")) > pl.col("refresh_lifetime_s")
            ),
            refresh_family_reused=pl.when(refresh).then(
                (pl.col("refresh_used_before") & pl.col("failed")).cast(pl.Int64).cum_sum().over("flow")
                > (pl.col("refresh_used_before") & pl.col("failed")).cast(pl.Int64)
            ),
            revoked_before=pl.when(
                pl.col("step").is_in(["token", "resource", "userinfo"])
                & (pl.col("own").is_not_null() | pl.col("withdrawn_at").is_not_null())
            ).then((pl.coalesce("gone_at", "flow_gone_at", "withdrawn_at") < pl.col("time")).fill_null(False)),
        )
        .drop("own", "withdrawn_at", "gone_at", "flow_gone_at", "refresh_issued_at", "refresh_client")
    )


def _tokens(frame: pl.DataFrame) -> pl.DataFrame:
    issued = (
        frame.filter(pl.col("issued_token_fp").is_not_null())
        .group_by("issued_token_fp", maintain_order=True)
        .agg(
            token_issued_at=pl.col("time").first(),
            token_life=pl.col("expires_in").first(),
            token_scope=pl.col("granted_scope").first(),
            token_asked=pl.col("scope").drop_nulls().first(),
        )
        .rename({"issued_token_fp": "token_fp"})
    )
    frame = frame.join(issued, on="token_fp", how="left", maintain_order="left")
    presented = pl.col("token_fp").is_not_null() & pl.col("step").is_in(["resource", "userinfo", "introspection"])
    now = pl.coalesce("server_time", "time").dt.epoch("us") / 1e6
    age = _seconds(pl.col("time") - pl.col("token_issued_at"))
    exp = pl.when(pl.col("jwt_use") == "bearer").then("jwt_exp")
    past = pl.max_horizontal(now - exp, age - pl.col("token_life"))
    ok_at = (
        pl.when(presented & ~pl.col("failed") & pl.col("healthy").is_null()).then("time").min().over("token_fp", "host")
    )
    return frame.with_columns(
        token_age_s=pl.when(presented).then(age),
        token_expired=pl.when(presented).then(past > 0),
        token_expired_by_s=pl.when(presented & (past > 0)).then(past),
        token_worked_before=pl.when(presented).then((ok_at < pl.col("time")).fill_null(False)),
        token_issued_here=pl.when(presented).then(pl.col("token_issued_at").is_not_null()),
    ).drop("token_issued_at", "token_life")


def _scopes(frame: pl.DataFrame) -> pl.DataFrame:
    held = pl.coalesce(pl.when(pl.col("jwt_use") == "bearer").then("jwt_scope"), "token_scope").str.split(" ")
    demanded = pl.col("demanded_scope").str.split(" ")
    lacking = demanded.list.set_difference(held).list.join(" ")
    ok_scopes = (
        frame.filter(
            ~pl.col("failed") & pl.col("scope").is_not_null() & pl.col("step").is_in(["authorization", "token", "par"])
        )
        .select("client_id", "host", word=pl.col("scope").str.split(" "))
        .explode("word")
        .group_by("client_id", "host")
        .agg(ok_words=pl.col("word").unique())
    )
    frame = frame.join(ok_scopes, on=["client_id", "host"], how="left", maintain_order="left")
    refused = pl.col("scope").str.split(" ").list.set_difference("ok_words").list.join(" ")
    return frame.with_columns(
        lacking_scope=pl.when((lacking.str.len_chars() > 0) & pl.col("step").is_in(["resource", "userinfo"])).then(
            lacking
        ),
        refused_scope=pl.when((refused.str.len_chars() > 0) & pl.col("failed")).then(refused),
    ).drop("ok_words", "token_scope", "token_asked")


def _clocks(frame: pl.DataFrame) -> pl.DataFrame:
    off = _seconds(pl.col("server_time") - pl.col("time"))
    now = pl.coalesce("server_time", "time").dt.epoch("us") / 1e6
    exp, iat, nbf = pl.col("jwt_exp"), pl.col("jwt_iat"), pl.col("jwt_nbf")
    sane = (iat < 1e11) & (exp < 1e11)
    jwt_time = (
        pl.when(pl.col("jwt_use").is_null() | now.is_null() | ~sane.fill_null(True)).then(None)
        .when(nbf > now + 5).then(pl.lit("not yet valid"))
        .when(iat > now + 5).then(pl.lit("issued in the future"))
        .when(exp < now).then(pl.lit("expired"))
        .when((pl.col("jwt_use") != "bearer") & (now - iat > 600)).then(pl.lit("stale"))
        .when((pl.col("jwt_use") != "bearer") & (exp - iat > 15_778_800)).then(pl.lit("too long"))
        .otherwise(pl.lit("in time"))
    )  # fmt: skip
    return frame.with_columns(clock_off_s=off.median().over("host"), jwt_time=jwt_time)


def _endpoints(frame: pl.DataFrame) -> pl.DataFrame:
    where = ["host", "path", "method"]
    down = pl.col("failed") & (pl.col("status").is_null() | (pl.col("status") >= 500))
    minute = pl.col("time").dt.truncate("5m").fill_null(pl.datetime(1970, 1, 1))
    retry = [
        "source_file",
        "step",
        "method",
        "url",
        "client_id",
        "code_fp",
        "refresh_token_fp",
        "token_fp",
        "error",
        "status",
    ]
    request = ["step", "host", "client_id", "grant_type", "secret_fp", "token_fp"]
    frame = frame.with_columns(
        endpoint_ok=(((pl.col("status") < 400) | has("success event")) & ~pl.col("failed")).any().over(where),
        endpoint_failing=down.mean().over("host", "path", minute),
        retry_of=pl.when("failed").then(pl.when("failed").then("n").min().over(retry)),
        turns=(pl.col("failed") != pl.col("failed").shift(1)).sum().over(request),
    )
    return frame.with_columns(
        retry_of=pl.when(pl.col("retry_of") < pl.col("n")).then("retry_of"),
        sometimes_works=pl.when(pl.col("step").is_in(["token", "introspection", "userinfo", "resource"])).then(
            pl.col("turns") >= 3
        ),
    ).drop("turns")


def _state(frame: pl.DataFrame) -> pl.DataFrame:
    """What became of the state and of the application's cookies between authorize request and callback."""
    asked = frame.filter((pl.col("step") == "authorization") & pl.col("state_fp").is_not_null())
    sent = asked["state_fp"].unique().implode()
    has_asked = asked.select("source_file").unique()
    frame = frame.join(
        has_asked.with_columns(file_asked=pl.lit(True)), on="source_file", how="left", maintain_order="left"
    )
    callback = pl.col("step") == "redirection"
    begun = asked.group_by("flow", maintain_order=True).agg(
        begun_at=pl.col("referer_host").drop_nulls().first(), asked_uri=pl.col("redirect_uri").first()
    )
    frame = frame.join(begun, on="flow", how="left", maintain_order="left")
    set_here = (
        frame.filter(pl.col("set_cookie_names").is_not_null())
        .select("source_file", "host", cookie="set_cookie_names")
        .explode("cookie")
        .group_by("source_file", "host")
        .agg(cookies_set=pl.col("cookie").unique())
    )
    frame = frame.join(set_here, on=["source_file", "host"], how="left", maintain_order="left")
    sees_cookies = pl.col("sees").list.contains("authorization")
    back = pl.col("cookie_names").fill_null([])
    frame = frame.with_columns(
        state_unknown=pl.when(callback & pl.col("state_fp").is_not_null() & pl.col("file_asked").fill_null(False)).then(
            ~pl.col("state_fp").is_in(sent)
        ),
        callback_other_host=pl.when(callback & pl.col("begun_at").is_not_null()).then(
            (pl.col("begun_at") != pl.col("host"))
            & (pl.col("begun_at").str.split(".").list.last() == pl.col("host").str.split(".").list.last())
        ),
        cookies_lost=pl.when(callback & sees_cookies & pl.col("cookies_set").is_not_null()).then(
            pl.col("cookies_set").list.set_intersection(back).list.len() == 0
        ),
    )
    return frame.drop("file_asked", "asked_uri", "cookies_set")


def _documents(frame: pl.DataFrame) -> pl.DataFrame:
    """Issuer, keys and algorithms: announced against used. Documents are few, so they are read one by one."""
    issuers: dict[str, str] = {}
    algs: set[str] = set()
    kids: set[str] = set()
    differs: dict[int, bool] = {}
    rows = frame.filter(pl.col("document").is_not_null() & pl.col("step").is_in(["metadata", "jwks"]))
    for row in rows.select("n", "step", "url", "host", "document").iter_rows(named=True):
        document = json.loads(row["document"]) if row["document"].endswith("}") else {}
        if row["step"] == "jwks":
            kids |= {k["kid"] for k in document.get("keys", []) if "kid" in k}
            continue
        algs |= set(document.get("id_token_signing_alg_values_supported", []))
        announced = document.get("issuer") or document.get("resource")
        if isinstance(announced, str):
            base = row["url"].partition("?")[0]
            issuers[announced] = base
            differs[row["n"]] = not belongs(announced, base)
    announced_by_host = {urlsplit(place).netloc: issuer for issuer, place in issuers.items()}
    use_kid = pl.coalesce("issued_kid", "jwt_kid")
    table = pl.DataFrame(
        {"n": list(differs), "issuer_differs": list(differs.values())},
        schema={"n": pl.Int64, "issuer_differs": pl.Boolean},
    )
    frame = frame.join(table, on="n", how="left", maintain_order="left")
    host_iss = pl.col("host").replace_strict(announced_by_host, default=None, return_dtype=pl.String)
    asked = _first_in_flow(
        frame, (pl.col("step") == "authorization") & pl.col("nonce_fp").is_not_null(), asked_nonce="nonce_fp"
    )
    frame = frame.join(asked, on="flow", how="left", maintain_order="left")
    flow_nonce = pl.col("issued_nonce_fp").drop_nulls().first().over("flow")
    flow_kid = pl.col("issued_kid").drop_nulls().last().over("flow")
    flow_alg = pl.col("issued_alg").drop_nulls().last().over("flow")
    known_kids, known_algs = list(kids), list(algs)
    return (
        frame.with_columns(
            issuer_differs=pl.coalesce(
                "issuer_differs", pl.when(pl.col("step") == "token").then(host_iss != pl.col("issued_iss"))
            ),
            kid_unknown=pl.when(
                pl.lit(bool(kids)) & pl.col("step").is_in(["resource", "userinfo", "redirection"])
            ).then(~pl.coalesce(use_kid, flow_kid).is_in(known_kids)),
            alg_unexpected=pl.when(pl.lit(bool(algs)) & (pl.col("step") == "redirection")).then(
                ~flow_alg.is_in(known_algs)
            ),
            nonce_differs=pl.when(
                pl.col("asked_nonce").is_not_null() & pl.col("step").is_in(["redirection", "token"])
            ).then(flow_nonce != pl.col("asked_nonce")),
            flow_alg=flow_alg,
        )
        .drop("asked_nonce")
        .with_columns(flow_issuer_differs=pl.col("issuer_differs").any().over("flow"))
    )


def _devices(frame: pl.DataFrame) -> pl.DataFrame:
    issued = (
        frame.filter(pl.col("issued_device_fp").is_not_null())
        .group_by("issued_device_fp", maintain_order=True)
        .agg(device_at=pl.col("time").first(), device_life=pl.col("expires_in").first())
        .rename({"issued_device_fp": "device_code_fp"})
    )
    frame = frame.join(issued, on="device_code_fp", how="left", maintain_order="left")
    return frame.with_columns(
        device_too_old=_seconds(pl.col("time") - pl.col("device_at")) > pl.col("device_life")
    ).drop("device_at", "device_life")


def _flow_answers(frame: pl.DataFrame) -> pl.DataFrame:
    """What other answers of the same flow showed."""
    token = pl.col("step") == "token"
    inside = r"://(?:[^/.:]+|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+|[^/:]+\.(?:svc|cluster\.local|internal|local|lan|docker|svc\.cluster\.local))(?::\d+)?(?:/|$)"
    local = r"://(?:localhost|127\.|\[::1\])"
    public = ~pl.concat_str(pl.lit("://"), pl.col("host")).str.contains(inside) & ~pl.concat_str(
        pl.lit("://"), pl.col("host")
    ).str.contains(local)
    goes_inside = pl.col("location").str.contains(inside) & ~pl.col("location").str.contains(local) & public
    answers = frame.group_by("flow").agg(
        flow_token_failed=(token & pl.col("failed")).any(),
        flow_email_unverified=has("email_verified is false").any(),
        flow_without_email=has("ID token without email").any(),
        flow_goes_inside=goes_inside.fill_null(False).any(),
    )
    at_inside = pl.concat_str(pl.lit("://"), pl.col("host")).str.contains(inside) & ~pl.concat_str(
        pl.lit("://"), pl.col("host")
    ).str.contains(local)
    return frame.join(answers, on="flow", how="left", maintain_order="left").with_columns(
        redirected_inside=goes_inside,
        endpoint_inside=at_inside & pl.col("flow_goes_inside") & pl.col("step").is_in(["authorization", "end-session"]),
    ).drop("flow_goes_inside")  # fmt: skip


def _neighbours(frame: pl.DataFrame) -> pl.DataFrame:
    """Against other exchanges of the same host or client: Server header, preflight, assertion key, audience, scopes, verifier."""
    ok = ~pl.col("failed") & pl.col("healthy").is_null()
    good_servers = (
        frame.filter(ok & pl.col("server_header").is_not_null())
        .group_by("host")
        .agg(good_servers=pl.col("server_header").unique())
    )
    preflights = (
        frame.filter((pl.col("method") == "OPTIONS") & pl.col("failed"))
        .select("host", "path")
        .unique()
        .with_columns(preflight_failed=pl.lit(True))
    )
    good_kids = (
        frame.filter(ok & (pl.col("jwt_use") == "client_assertion") & pl.col("jwt_kid").is_not_null())
        .group_by("client_id", "host")
        .agg(good_kids=pl.col("jwt_kid").unique())
    )
    announced = {
        row["host"]: json.loads(row["document"]).get("resource")
        for row in frame.filter((pl.col("step") == "metadata") & pl.col("document").str.contains('"resource"'))
        .select("host", "document")
        .iter_rows(named=True)
        if row["document"].endswith("}")
    }
    frame = frame.with_columns(
        announced_resource=pl.col("host").replace_strict(announced, default=None, return_dtype=pl.String)
    )
    good_auds = (
        frame.filter(ok & (pl.col("jwt_use") == "bearer") & pl.col("jwt_aud").is_not_null())
        .group_by("host")
        .agg(good_auds=pl.col("jwt_aud").unique())
    )
    endpoints = (
        frame.filter(ok & (pl.col("step") == "token") & pl.col("issued_token_fp").is_not_null())
        .group_by("host")
        .agg(other_token_endpoint=pl.col("url").str.split("?").list.first().first())
    )
    scopes = (
        frame.filter(ok & pl.col("step").is_in(["token", "authorization"]) & pl.col("scope").is_not_null())
        .select("host", who="client_id", granted=pl.coalesce("granted_scope", "scope").str.split(" "))
        .explode("granted").group_by("host").agg(host_scopes=pl.col("granted").unique())
    )  # fmt: skip
    challenges = (
        frame.filter(pl.col("code_challenge").is_not_null())
        .group_by("code_challenge")
        .agg(challenge_flow=pl.col("flow").first())
        .rename({"code_challenge": "verifier_s256"})
    )
    for table, keys in (
        (good_servers, ["host"]), (preflights, ["host", "path"]), (good_kids, ["client_id", "host"]), (good_auds, ["host"]),
        (endpoints, ["host"]), (scopes, ["host"]), (challenges, ["verifier_s256"]),
    ):  # fmt: skip
        frame = frame.join(table, on=keys, how="left", maintain_order="left")
    aud_host = pl.col("jwt_aud").str.extract(r"://([^/ ]+)")
    return frame.with_columns(
        server_changed=pl.when(pl.col("server_header").is_not_null()).then(
            ~pl.col("server_header").is_in(pl.col("good_servers"))
        ),
        kid_differs_from_worked=pl.when(pl.col("jwt_use") == "client_assertion").then(
            ~pl.col("jwt_kid").is_in(pl.col("good_kids"))
        ),
        aud_foreign=pl.when(pl.col("jwt_use") == "client_assertion").then(
            (aud_host != pl.col("host")) & ~pl.col("jwt_aud").str.contains(pl.col("host"), literal=True)
        ),
        aud_elsewhere=pl.when(pl.col("jwt_use") == "bearer").then(
            pl.coalesce(
                ~pl.col("jwt_aud").is_in(pl.col("good_auds")),
                ~pl.col("jwt_aud").str.contains(pl.col("announced_resource"), literal=True),
            )
        ),
        audience_named=pl.col("audience").is_not_null()
        & pl.col("message").str.contains(pl.col("audience"), literal=True),
        aud_is_client=pl.when(pl.col("jwt_use") == "bearer").then(
            (pl.col("jwt_aud") == pl.col("jwt_azp")) | (pl.col("jwt_aud") == pl.col("client_id"))
        ),
        scope_known_elsewhere=pl.when(pl.col("refused_scope").is_not_null()).then(
            pl.col("refused_scope").str.split(" ").list.set_difference(pl.col("host_scopes")).list.len() == 0
        ),
        code_swapped=pl.when((pl.col("pkce") == "mismatch") & pl.col("challenge_flow").is_not_null()).then(
            pl.col("challenge_flow") != pl.col("flow")
        ),
        user_login_at_token=pl.when(pl.col("step").is_in(["token", "event"])).then(
            pl.col("path").str.contains(r"token/?$")
        ),
    ).drop("good_servers", "good_kids", "good_auds", "host_scopes", "challenge_flow", "announced_resource")


_SERVER_PARAMETERS = r"^(?:code|state|scope|error\w*|iss|session_state|authuser|prompt|hd|id_token|access_token|token_type|expires_in|client_info|nonce|response|user)$"


def _log_lines(frame: pl.DataFrame) -> pl.DataFrame:
    """What lines of the same text log tell beside the failing one."""
    if not frame.select(of_text_log().any()).item():
        return frame
    names = pl.col("url").str.extract(r"\?(.*)$").str.split("&").list.eval(pl.element().str.split("=").list.first())
    extra = names.list.eval(pl.element().filter(~pl.element().str.contains(_SERVER_PARAMETERS))).list.join(", ")
    is_callback = (pl.col("step") == "redirection") & pl.col("code_fp").is_not_null()
    with_callback = frame.with_columns(own_extra=pl.when(is_callback & (extra.str.len_chars() > 0)).then(extra))
    ok = ~pl.col("failed")
    is_token = pl.col("step") == "token"
    refresh = pl.col("grant_type") == "refresh_token"
    is_text = of_text_log()
    with_callback = with_callback.with_columns(
        grant_type=pl.when(is_text)
        .then(pl.coalesce("grant_type", pl.col("grant_type").forward_fill().over("flow")))
        .otherwise("grant_type"),
        redirect_uri=pl.when(is_text)
        .then(pl.coalesce("redirect_uri", pl.col("redirect_uri").forward_fill().over("flow")))
        .otherwise("redirect_uri"),
    )
    good_token = (ok & is_token).cast(pl.Int64).cum_sum().over("flow")
    good_refresh = (
        (ok & (is_token | (pl.col("step") == "event")) & told_success() & refresh.fill_null(False))
        .cast(pl.Int64)
        .cum_sum()
        .over("flow")
    )
    seen_code = is_callback.cast(pl.Int64).cum_sum().over("source_file")
    pid = pl.col("message").str.extract(r"(?i)(?:session_id|session|sid)[\"=: ]+([\w:.-]{6,})")
    return with_callback.with_columns(
        callback_extra=pl.when(pl.col("failed")).then(
            pl.coalesce("own_extra", pl.col("own_extra").forward_fill().over("source_file"))
        ),
        in_token_exchange=pl.when(pl.col("failed") & (pl.col("step").is_in(["event"]))).then(
            (seen_code > 0)
            | pl.col("message").str.contains(
                r"(?i)invalid_credentials: OAuth2::Error|token endpoint|exchang|fetch_token|callback"
            )
        ),
        text_status=pl.col("message")
        .str.extract(r"(?i)(?:status|code|http|fetch token|returned)\D{0,12}\b([45]\d\d)\b")
        .cast(pl.Int64),
        log_double_redeem=pl.when(pl.col("failed") & is_token & ~refresh.fill_null(False)).then(
            (good_token > 0) & (seen_code > 0)
        ),
        log_refresh_race=pl.when(pl.col("failed") & (is_token | (pl.col("step") == "event"))).then(
            (good_refresh > 0) & (refresh | pl.col("message").str.contains("(?i)refresh")).fill_null(False)
        ),
        log_without_refresh=pl.when("failed").then(
            has("log says no refresh_token").cast(pl.Int64).cum_sum().over("source_file") > 0
        ),
        log_session_differs=pid.is_not_null() & (pid.n_unique().over("source_file") > 1),
        callback_dropped=has("callback arrived without parameters") & (seen_code > 0),
    ).drop("own_extra")


_COMPARED = (
    "redirect_uri",
    "scope",
    "secret_fp",
    "auth_method",
    "grant_type",
    "response_type",
    "audience",
    "content_type",
    "code_challenge_method",
    "prompt",
    "path",
    "user_agent",
)


def _differential(frame: pl.DataFrame) -> pl.DataFrame:
    """What separates failing from succeeding: parameters whose value occurs only in failures of the same client and step.

    Works for any provider and any message. Needs at least two successes of the client at that step.
    """
    who = ["client_id", "host", "step"]
    compared = frame.filter(pl.col("client_id").is_not_null() & pl.col("healthy").is_null())
    enough = (
        compared.group_by(who)
        .agg(bad=pl.col("failed").sum(), good=(~pl.col("failed")).sum())
        .filter((pl.col("bad") > 0) & (pl.col("good") >= 2))
    )
    compared = compared.join(enough, on=who, how="semi")
    if compared.is_empty():
        return frame.with_columns(only_in_failures=pl.lit(None, dtype=pl.List(pl.String)))
    long = (
        compared.select("n", *who, "failed", *_COMPARED)
        .unpivot(index=["n", *who, "failed"], on=_COMPARED, variable_name="parameter", value_name="value")
        .drop_nulls("value")
    )
    worked = long.filter(~pl.col("failed")).select(*who, "parameter", "value").unique()
    varies = long.filter(~pl.col("failed")).select(*who, "parameter").unique()
    alone = (
        long.filter("failed")
        .join(worked, on=[*who, "parameter", "value"], how="anti")
        .join(varies, on=[*who, "parameter"], how="semi")
    )
    table = alone.group_by("n").agg(only_in_failures=pl.col("parameter").sort())
    return frame.join(table, on="n", how="left", maintain_order="left")
