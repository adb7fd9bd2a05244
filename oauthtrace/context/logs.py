"""What lines of the same text log tell beside the failing one."""

from __future__ import annotations

import polars as pl

from oauthtrace.correlate import has, of_text_log, told_success

_SERVER_PARAMETERS = r"^(?:code|state|scope|error\w*|iss|session_state|authuser|prompt|hd|id_token|access_token|token_type|expires_in|client_info|nonce|response|user)$"


def log_lines(frame: pl.DataFrame) -> pl.DataFrame:
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
        .str.extract(r"(?i)(?:status|code|http|fetch token|returned|ResponseException)\D{0,12}\b([45]\d\d)\b")
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
