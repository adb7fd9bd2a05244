"""Tokens and what is known of them: refresh chains, age and expiry, scopes, clocks, device codes."""

from __future__ import annotations

import polars as pl

from oauthtrace.context.comparing import seconds
from oauthtrace.correlate import has


def refresh(frame: pl.DataFrame) -> pl.DataFrame:
    """Use, rotation, age and revocation of the refresh token, and whether it is one."""
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
                & (seconds(pl.col("won_at") - pl.col("time")).abs() < 5)
            ),
            refresh_used_ago_s=seconds(pl.col("time") - pl.col("won_at")),
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
            refresh_age_s=pl.when(refresh).then(seconds(pl.col("time") - pl.col("refresh_issued_at"))),
            refresh_issued_seen=pl.when(refresh).then(pl.col("refresh_issued_at").is_not_null()),
            refresh_too_old=pl.when(refresh).then(
                seconds(pl.col("time") - pl.col("refresh_issued_at")) > pl.col("refresh_lifetime_s")
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


def tokens(frame: pl.DataFrame) -> pl.DataFrame:
    """Age and expiry of the access token, and whether it was accepted before."""
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
    age = seconds(pl.col("time") - pl.col("token_issued_at"))
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
    ).drop("token_issued_at", "token_life")


def scopes(frame: pl.DataFrame) -> pl.DataFrame:
    """Scopes demanded that the token lacks, and scopes asked for that never were granted."""
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


def clocks(frame: pl.DataFrame) -> pl.DataFrame:
    """The server's clock against the capture's, and a JWT's times against the server's."""
    off = seconds(pl.col("server_time") - pl.col("time"))
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


def devices(frame: pl.DataFrame) -> pl.DataFrame:
    """Whether a device code is older than its expires_in (RFC 8628 §3.2)."""
    issued = (
        frame.filter(pl.col("issued_device_fp").is_not_null())
        .group_by("issued_device_fp", maintain_order=True)
        .agg(device_at=pl.col("time").first(), device_life=pl.col("expires_in").first())
        .rename({"issued_device_fp": "device_code_fp"})
    )
    frame = frame.join(issued, on="device_code_fp", how="left", maintain_order="left")
    return frame.with_columns(
        device_too_old=seconds(pl.col("time") - pl.col("device_at")) > pl.col("device_life")
    ).drop("device_at", "device_life")
