"""The client's credentials and parameters against those with which it, or one of a similar name, succeeded."""

from __future__ import annotations

from urllib.parse import urlsplit

import polars as pl

from oauthtrace.context.comparing import documents, nearest_success, seconds
from oauthtrace.correlate import has
from oauthtrace.providers import providers


def clients(frame: pl.DataFrame) -> pl.DataFrame:
    """Secret and authentication method against the client's last success; whether the server knows the client."""
    by = ["client_id", "host", "step"]
    secrets = nearest_success(frame, by, ["secret_fp"], pl.col("secret_fp").is_not_null()).select(
        "n", "ok_secret_fp", had_before="before_secret_fp"
    )
    methods = nearest_success(frame, by, ["auth_method"], pl.col("auth_method").is_not_null()).select(
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
        worked_before_s=seconds(pl.col("time") - pl.col("worked_at")),
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
    for _, data in documents(frame, "metadata"):
        methods, endpoint = data.get("token_endpoint_auth_methods_supported"), data.get("token_endpoint")
        if isinstance(methods, list) and isinstance(endpoint, str):
            found[urlsplit(endpoint).netloc.lower()] = methods
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


def differential(frame: pl.DataFrame) -> pl.DataFrame:
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
