"""What one sign-in shows: redirect URI, code, PKCE and state, each against what the same flow or client did elsewhere."""

from __future__ import annotations

import polars as pl

from oauthtrace.context.comparing import first_in_flow, map_pairs, nearest_success, seconds
from oauthtrace.correlate import has
from oauthtrace.providers import providers


def redirects(frame: pl.DataFrame) -> pl.DataFrame:
    """The redirect URI against that of the same flow, of the client's successes, and where the server sent the answer."""
    asked = first_in_flow(
        frame,
        pl.col("step").is_in(["authorization", "par"]) & pl.col("redirect_uri").is_not_null(),
        authorize_redirect_uri="redirect_uri",
    )
    frame = frame.join(asked, on="flow", how="left", maintain_order="left")
    frame = map_pairs(frame, "redirect_uri", "authorize_redirect_uri", "redirect_vs_authorize")
    is_redeem = (pl.col("step") == "token") & (pl.col("grant_type") == "authorization_code")
    frame = frame.with_columns(
        redirect_vs_authorize=pl.when(is_redeem & has("no redirect_uri") & pl.col("authorize_redirect_uri").is_not_null()).then(pl.lit("absent"))
        .when(is_redeem).then("redirect_vs_authorize")
    )  # fmt: skip
    near = nearest_success(frame, ["client_id", "host", "step"], ["redirect_uri"]).select("n", worked="ok_redirect_uri")
    frame = frame.join(near, on="n", how="left", maintain_order="left")
    frame = frame.with_columns(
        worked_redirect_uri=pl.when(pl.col("redirect_uri").is_not_null()).then("worked"),
        other_redirect_uri=pl.when(pl.col("redirect_uri").is_null()).then("worked"),
    ).drop("worked")
    frame = map_pairs(frame, "redirect_uri", "worked_redirect_uri", "redirect_vs_worked")
    elsewhere = pl.when(pl.col("document").str.starts_with('{"redirected_to"')).then("document")
    frame = frame.with_columns(delivered_redirect_uri=elsewhere.str.json_path_match("$.redirected_to"))
    return map_pairs(frame, "redirect_uri", "delivered_redirect_uri", "redirect_vs_delivered")


CODE_LIFETIME_S = 600.0
"""RFC 6749 §4.1.2: a maximum of ten minutes is recommended."""


def codes(frame: pl.DataFrame) -> pl.DataFrame:
    """Age and use of the authorization code, and by whom and where it was issued."""
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
            | (pl.col("failed") & (seconds(pl.col("won_at") - pl.col("time")) < 0.1)).fill_null(False),
            code_won_later=(pl.col("won") == 0)
            & pl.col("failed")
            & (seconds(pl.col("won_at") - pl.col("time")) >= 0.1).fill_null(False),
            code_used_ago_s=seconds(pl.col("time") - pl.col("first_at")),
        )
    )
    frame = frame.join(uses, on="n", how="left", maintain_order="left")
    age = seconds(pl.col("time") - pl.coalesce("issued_at", "seen_at"))
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
    other = first_in_flow(
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


def pkce(frame: pl.DataFrame) -> pl.DataFrame:
    """The code challenge of the authorization request against the verifier's S256 (RFC 7636 §4.6)."""
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


def state(frame: pl.DataFrame) -> pl.DataFrame:
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
