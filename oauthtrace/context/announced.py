"""What a server announces in its metadata against what is asked of it (RFC 8414 §2, RFC 9728 §2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from oauthtrace.context.comparing import documents
from oauthtrace.correlate import without_query

LISTS = {
    "scopes_supported": "announced_scopes",
    "grant_types_supported": "announced_grants",
    "response_types_supported": "announced_response_types",
}
"""Member of the metadata -> the column that holds its values, for every host that the document names."""
ENDPOINTS = ("token_endpoint", "authorization_endpoint", "pushed_authorization_request_endpoint")
STEPS = dict(zip(ENDPOINTS, ("token", "authorization", "par"), strict=True))


def announced(frame: pl.DataFrame) -> pl.DataFrame:
    """Scopes, grant types, response types and endpoints: asked for against announced."""
    found = [document for _, document in documents(frame, "metadata")]
    lists: dict[str, dict[str, Any]] = {}
    endpoints: dict[tuple[str, str], str] = {}
    for document in found:
        named = {STEPS[m]: document[m] for m in ENDPOINTS if isinstance(document.get(m), str)}
        for step, url in named.items():
            host = urlsplit(url).netloc.lower()
            endpoints[host, step] = url
            values = lists.setdefault(host, {})
            values |= {column: document[m] for m, column in LISTS.items() if isinstance(document.get(m), list)}
    by_host = pl.DataFrame(
        [{"host": host, **values} for host, values in lists.items()],
        schema={"host": pl.String, **dict.fromkeys(LISTS.values(), pl.List(pl.String))},
    )
    by_step = pl.DataFrame(
        [(host, step, url) for (host, step), url in endpoints.items()],
        schema={"host": pl.String, "step": pl.String, "announced_url": pl.String},
        orient="row",
    )
    frame = frame.join(by_host, on="host", how="left", maintain_order="left").join(
        by_step, on=["host", "step"], how="left", maintain_order="left"
    )
    asked = pl.col("scope").str.split(" ")
    extra = asked.list.set_difference("announced_scopes").list.join(" ")
    place = without_query("url").str.strip_chars_end("/")
    return _discovery(
        frame.with_columns(
            unannounced_scope=pl.when(pl.col("failed") & (extra.str.len_chars() > 0)).then(extra),
            scopes_announced=pl.when(
                pl.col("failed") & asked.is_not_null() & pl.col("announced_scopes").is_not_null()
            ).then(extra.str.len_chars() == 0),
            grant_unannounced=pl.when("failed").then(~pl.col("grant_type").is_in(pl.col("announced_grants"))),
            response_type_unannounced=pl.when("failed").then(
                ~pl.col("response_type").is_in(pl.col("announced_response_types"))
            ),
            announced_endpoint=pl.when(
                pl.col("failed") & (pl.col("announced_url").str.strip_chars_end("/") != place)
            ).then("announced_url"),
        ).drop(*LISTS.values(), "announced_url"),
        found,
    )


def _discovery(frame: pl.DataFrame, metadata: list[Mapping[str, Any]]) -> pl.DataFrame:
    """Where a client reads the metadata after a challenge and then does nothing more: what in it may have stopped it."""
    further = pl.col("step").is_in(["authorization", "registration", "token", "par", "device-authorization"])
    read_on = (pl.col("step") == "metadata").any().over("source_file")
    stopped = (
        read_on
        & ~further.any().over("source_file")
        & (pl.col("step") == "resource")
        & pl.col("failed")
        & pl.col("token_fp").is_null()
    )
    servers = [
        document for document in metadata if "token_endpoint" in document or "authorization_endpoint" in document
    ]
    lacks_registration = bool(servers) and not any("registration_endpoint" in server for server in servers)
    resources = [document["resource"] for document in metadata if isinstance(document.get("resource"), str)]
    asked_for_other = ~without_query("url").str.strip_chars_end("/").is_in([r.rstrip("/") for r in resources])
    return frame.with_columns(
        stopped_after_metadata=stopped,
        registration_missing=stopped & lacks_registration & pl.col("client_id").is_null(),
        announced_resource=pl.when(stopped & asked_for_other).then(
            pl.lit(next(iter(resources), None), dtype=pl.String)
        ),
    )
