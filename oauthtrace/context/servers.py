"""What the servers show: health of endpoints, documents against answers, answers of the same flow and of neighbours."""

from __future__ import annotations

from urllib.parse import urlsplit

import polars as pl

from oauthtrace.context import comparing
from oauthtrace.context.comparing import first_in_flow
from oauthtrace.correlate import has, without_query
from oauthtrace.oauth.endpoints import belongs


def endpoints(frame: pl.DataFrame) -> pl.DataFrame:
    """Whether the endpoint works at other times and fails now."""
    where = ["host", "path", "method"]
    down = pl.col("failed") & (pl.col("status").is_null() | (pl.col("status") >= 500))
    minute = pl.col("time").dt.truncate("5m").fill_null(pl.datetime(1970, 1, 1))
    request = ["step", "host", "client_id", "grant_type", "secret_fp", "token_fp"]
    frame = frame.with_columns(
        endpoint_ok=(((pl.col("status") < 400) | has("success event")) & ~pl.col("failed")).any().over(where),
        endpoint_failing=down.mean().over("host", "path", minute),
        turns=(pl.col("failed") != pl.col("failed").shift(1)).sum().over(request),
    )
    return frame.with_columns(
        sometimes_works=pl.when(pl.col("step").is_in(["token", "introspection", "userinfo", "resource"])).then(
            pl.col("turns") >= 3
        ),
    ).drop("turns")


def documents(frame: pl.DataFrame) -> pl.DataFrame:
    """Issuer, keys and algorithms: announced against used. Documents are few, so they are read one by one."""
    issuers: dict[str, str] = {}
    algs: set[str] = set()
    kids: set[str] = set()
    differs: dict[int, bool] = {}
    for row, document in comparing.documents(frame, "metadata", "jwks"):
        if row["step"] == "jwks":
            kids |= {k["kid"] for k in document.get("keys", []) if "kid" in k}
            continue
        offered = document.get("id_token_signing_alg_values_supported")
        algs |= set(offered if isinstance(offered, list) else ())
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
    asked = first_in_flow(
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


def flow_answers(frame: pl.DataFrame) -> pl.DataFrame:
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


def neighbours(frame: pl.DataFrame) -> pl.DataFrame:
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
        row["host"]: document["resource"]
        for row, document in comparing.documents(frame, "metadata")
        if isinstance(document.get("resource"), str)
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
        .agg(other_token_endpoint=without_query("url").first())
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
