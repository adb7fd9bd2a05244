"""How context is computed: the first of a flow, the nearest success, how two URIs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from oauthtrace.oauth.endpoints import is_url
from oauthtrace.oauth.errors import members
from oauthtrace.oauth.redirect_uri import difference


def seconds(delta: pl.Expr) -> pl.Expr:
    """A duration in seconds."""
    return delta.dt.total_microseconds() / 1e6


def documents(frame: pl.DataFrame, *steps: str) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """(row with n, step, url, host; usable members) of each document of some steps; of one that can't be read, none."""
    rows = frame.filter(pl.col("document").is_not_null() & pl.col("step").is_in(steps))
    for row in rows.select("n", "step", "url", "host", "document").iter_rows(named=True):
        found = members(row["document"]) or {}
        yield row, found if row["step"] == "jwks" else _usable(found)


def _usable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The members of metadata that are what RFC 8414 §2 makes them: texts, of those with ``://`` URLs, and lists of texts."""
    texts = {k: v for k, v in metadata.items() if isinstance(v, str) and (is_url(v) or "://" not in v)}
    lists = {k: [word for word in v if isinstance(word, str)] for k, v in metadata.items() if isinstance(v, list)}
    return texts | lists


def first_in_flow(frame: pl.DataFrame, where: pl.Expr, **columns: str) -> pl.DataFrame:
    """Per flow the first exchange that fits: flow and the columns under new names."""
    return (
        frame.filter(where)
        .group_by("flow", maintain_order=True)
        .agg(**{new: pl.col(old).first() for new, old in columns.items()})
    )


def map_pairs(frame: pl.DataFrame, left: str, right: str, name: str) -> pl.DataFrame:
    """How two URI columns differ, computed once for each distinct pair."""
    pairs = frame.select(left, right).drop_nulls().unique()
    kinds = [difference(a, b) or "equal" for a, b in pairs.iter_rows()]
    return frame.join(
        pairs.with_columns(pl.Series(name, kinds, dtype=pl.String)), on=[left, right], how="left", maintain_order="left"
    )


def nearest_success(
    frame: pl.DataFrame, by: list[str], values: list[str], where: pl.Expr | None = None
) -> pl.DataFrame:
    """For each row, ``values`` of the last success before it with equal ``by``, else of the first one after it.

    Before and after are told by ``n``: many logs know whole seconds only, and within one the order of the file counts.
    """
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
        .select(*by, "n", *[pl.col(v).alias(f"ok_{v}") for v in values], ok_at=pl.col("time"))
        .sort("n")
    )
    rows = frame.select("n", *by, "time").drop_nulls().sort("n")
    before = rows.join_asof(ok, on="n", by=by, strategy="backward", allow_exact_matches=False, check_sortedness=False)
    after = rows.join_asof(
        ok, on="n", by=by, strategy="forward", allow_exact_matches=False, check_sortedness=False
    ).select("n", *[pl.col(f"ok_{v}").alias(f"next_{v}") for v in values])
    both = before.join(after, on="n", how="left")
    return both.select(
        "n",
        "ok_at",
        *[pl.coalesce(f"ok_{v}", f"next_{v}").alias(f"ok_{v}") for v in values],
        *[pl.col(f"ok_{v}").is_not_null().alias(f"before_{v}") for v in values[:1]],
    )
