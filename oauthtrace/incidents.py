"""Failures -> incidents: what is broken, since when, whom it hits, whether it still goes on, and what changed at the onset.

Root failures with the same cause, provider, client, endpoint and wording are one incident; failures that merely follow
from a root are counted with it. What is proved from the traffic is one thing however it is worded, and a server's own
trouble (:data:`OF_THE_SERVER`) is one incident whichever clients it hits.

The traffic an incident is measured against is that of its *place*: the same client at the same endpoint, or the whole
host. The onset is where the share of failures rises: the lowest point of the cumulative sum of (failure - mean).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import polars as pl

from oauthtrace.wording import wordings

CHANGE = pl.Struct({"parameter": pl.String, "was": pl.String, "now": pl.String, "at": pl.Datetime("us")})
COLUMNS: tuple[tuple[str, Any, str], ...] = (
    ("incident", pl.String, "stable id: the same input gives the same one"),
    ("cause", pl.String, "cause that all its root failures have"),
    ("provider", pl.String, "who answers"),
    ("client", pl.String, "client_id, from the flow where the request has none; null when several or unknown"),
    ("host", pl.String, "host that answers"),
    ("step", pl.String, "step that fails most"),
    ("endpoint", pl.String, "path without ids; null for a server's own trouble"),
    ("count", pl.Int64, "root failures"),
    ("following", pl.Int64, "failures that merely follow from them"),
    ("flows", pl.Int64, "flows with a root failure"),
    ("clients", pl.Int64, "different clients hit"),
    ("named", pl.List(pl.String), "some of the clients hit, the earliest"),
    ("users", pl.Int64, "different users hit, where the capture names them"),
    ("addresses", pl.Int64, "different addresses hit"),
    ("confidence", pl.Float64, "median over the root failures"),
    ("proof", pl.Boolean, "computed from the traffic for at least half of them"),
    ("first", pl.Datetime("us"), "first root failure"),
    ("last", pl.Datetime("us"), "last root failure"),
    ("period_s", pl.Float64, "seconds between failures that come at a regular beat"),
    ("onset", pl.Datetime("us"), "when the share of failures rose; null when it never did"),
    ("requests_before", pl.Int64, "requests at the place before the onset"),
    ("failures_before", pl.Int64, "root failures before the onset"),
    ("requests_since", pl.Int64, "requests at the place from the onset to the last failure"),
    ("failures_since", pl.Int64, "root failures from the onset on"),
    ("worked_before", pl.Datetime("us"), "last success at the place before the onset"),
    ("worked_after", pl.Int64, "successes at the place after the last failure"),
    ("state", pl.String, "going on, over, or quiet (no request that could tell)"),
    ("changed", pl.List(CHANGE), "what the failing requests have had since the onset and nobody had before"),
    ("example", pl.String, "id of the failure that shows it best"),
    ("harm", pl.Float64, "by which incidents are ordered"),
)
MEMBERS: dict[str, Any] = {"n": pl.Int64, "id": pl.String, "incident": pl.String, "root": pl.Boolean}
SCHEMA = {name: dtype for name, dtype, _ in COLUMNS}

OF_THE_SERVER = (
    "server/outage", "server/timeout", "server/unreachable", "server/tls", "server/clock-skew", "server/replicas",
    "server/intermediary", "server/malformed-response",
)  # fmt: skip
"""Causes that hit every client of a host alike."""

WATCHED = ("secret_fp", "redirect_uri", "auth_method", "scope", "user_agent", "server_header", "jwt_kid")
"""Columns whose change at the onset is worth telling."""

_NEEDED = ("n", "id", "time", "flow", "client_id", "host", "path", "step", "failed", "healthy")
_TOLD = (
    "n", "id", "time", "flow", "host", "step", "provider", "user_fp", "client_address", "message",
    "cause", "confidence", "proof", "caused_by",
)  # fmt: skip
"""Columns of exchanges and of failures that are looked at."""
NAMED = 5
EXAMINED = 400
"""So many incidents, the largest, get onset and changes: it bounds the work on hostile input."""

BUCKETS = 512
RISE = 2.0
"""The share of failures has risen when it is at least so many times what it was."""
OVER = 0.05
"""An incident is over when so many successes in a row would be less likely than this if it still went on."""
_IDS = r"/(?:\d+|[0-9a-fA-F-]{12,}|[^/]*:[0-9a-f]{8})(?:/|$)"
"""Parts of a path that are an id, not a place."""


class Incidents(NamedTuple):
    """What :func:`find` gives.

    Attributes:
        table: one row an incident, worst first; columns of COLUMNS.
        members: one row a failure: its n and id, its incident, and whether it is a root.

    """

    table: pl.DataFrame
    members: pl.DataFrame


def find(failures: pl.DataFrame, exchanges: pl.DataFrame) -> Incidents:
    """Incidents of an analysis, worst first."""
    if failures.is_empty():
        return Incidents(pl.DataFrame(schema=SCHEMA), pl.DataFrame(schema=MEMBERS))
    placed = _with_place(exchanges)
    keyed = _with_key(failures, placed)
    table = _counted(keyed)
    main = table.head(EXAMINED)
    traffic = _traffic(placed, main)
    roots = (
        keyed.filter("root").select("id", "incident", "time").join(main.select("incident"), on="incident", how="semi")
    )
    main = _with_state(_with_onset(main, roots, traffic), traffic, exchanges["time"].min(), exchanges["time"].max())
    main = main.join(_changes(main, roots, placed), on="incident", how="left", maintain_order="left")
    table = pl.concat([main, table.tail(-EXAMINED)], how="diagonal")
    going_on = (pl.col("state") == "going on").fill_null(value=False)
    table = table.with_columns(harm=pl.col("flows") * pl.when(going_on).then(2.0).otherwise(1.0))
    table = table.sort("harm", "count", "first", "incident", descending=[True, True, False, False], nulls_last=True)
    members = keyed.select(*MEMBERS)
    return Incidents(table.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()), members)


# --- grouping -------------------------------------------------------------------------------------------------------


def _with_place(exchanges: pl.DataFrame) -> pl.DataFrame:
    """Columns ``client`` (from the flow where needed), ``endpoint``, and the two keys of a place.

    Joins are narrow, and what they give is put beside the columns there are: a million rows are not copied each time.
    """
    nameless = exchanges.filter(pl.col("client_id").is_null()).select("flow").unique()
    named = exchanges.select("flow", "client_id").filter(pl.col("client_id").is_not_null())
    known = named.join(nameless, on="flow", how="semi").group_by("flow").agg(client=pl.col("client_id").first())
    paths = exchanges.select("path").unique().with_columns(endpoint=pl.col("path").str.replace_all(_IDS, "/*/"))
    placed = exchanges.select(*dict.fromkeys((*_NEEDED, *WATCHED))).with_columns(
        *_beside(exchanges, known, "flow"), *_beside(exchanges, paths, "path")
    )
    return placed.with_columns(client=pl.coalesce("client_id", "client")).with_columns(
        of_host=pl.struct("host").hash(), of_client=pl.struct("client", "host", "endpoint").hash()
    )


def _beside(frame: pl.DataFrame, table: pl.DataFrame, on: str) -> list[pl.Series]:
    """A table's other columns for each row of a frame, by the column ``on`` of both."""
    return frame.select(on).join(table, on=on, how="left", maintain_order="left").drop(on).get_columns()


def _with_key(failures: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Failures with ``root`` and ``incident``; what follows gets the incident of its root."""
    places = placed.select("n", "client", "endpoint", "of_host", "of_client")
    told = failures.select(*_TOLD).with_columns(*_beside(failures, places, "n"))
    shared = pl.col("cause").is_in(OF_THE_SERVER)
    followers = _followers(told)
    told = told.with_columns(
        place=pl.when(shared).then("of_host").otherwise("of_client"),
        key_endpoint=pl.when(~shared).then("endpoint"),
        root=~pl.col("id").is_in(followers["id"].implode()),
    )
    kind = pl.struct("cause", "provider", pl.when(~shared).then("client"), "host", "key_endpoint").hash()
    worded = pl.col("root") & ~shared & ~pl.col("proof").fill_null(value=False)
    told = told.with_columns(kind=kind, message=pl.when(worded).then("message"))
    told = told.with_columns(wording=wordings(told["message"], told["kind"])).drop("message")
    told = told.with_columns(kind=pl.struct("kind", "wording").hash()).drop("wording")
    roots = told.filter("root").select("kind", "id")
    named = roots.group_by("kind", maintain_order=True).agg(incident=pl.concat_str(pl.lit("i"), pl.col("id").first()))
    told = told.with_columns(*_beside(told, named, "kind"))
    causing = followers.join(told.select(caused_by="id", root_incident="incident"), on="caused_by")
    told = told.with_columns(*_beside(told, causing.select("id", "root_incident"), "id"))
    incident = pl.when("root").then("incident").otherwise("root_incident")
    keyed = told.with_columns(incident=incident).drop("kind", "root_incident").filter(pl.col("incident").is_not_null())
    return keyed.sort(~pl.col("root"), maintain_order=True)


def _followers(told: pl.DataFrame) -> pl.DataFrame:
    """``id`` and ``caused_by`` of failures that merely follow from one of these which itself follows from none of them."""
    caused = told.filter(pl.col("caused_by").is_not_null()).select("id", "caused_by")
    linked = caused.join(told.select(caused_by="id"), on="caused_by", how="semi")
    return linked.join(linked.select(caused_by="id"), on="caused_by", how="anti")


def _counted(keyed: pl.DataFrame) -> pl.DataFrame:
    """One row an incident with what can be counted, the largest first."""
    roots = keyed.filter("root")
    steps_of_flow = keyed.group_by("flow").agg(steps=pl.len())
    candidates = roots.select("incident", "id", "flow", "proof", "confidence", "time")
    shown_best = candidates.join(steps_of_flow, on="flow", how="left").sort(
        "proof", "confidence", "steps", "time", "id", descending=[True, True, True, False, False], nulls_last=True
    )
    best = shown_best.group_by("incident", maintain_order=True).agg(example=pl.col("id").first())
    hit = keyed.group_by("incident").agg(
        users=pl.col("user_fp").drop_nulls().n_unique(),
        addresses=pl.col("client_address").drop_nulls().n_unique(),
        following=(~pl.col("root")).sum(),
    )
    return (
        roots.group_by("incident", maintain_order=True)
        .agg(
            pl.col("cause", "provider", "host", "place").first(),
            client=pl.when(pl.col("client").n_unique() == 1).then(pl.col("client").first()),
            step=pl.col("step").mode(maintain_order=True).first(),
            endpoint=pl.col("key_endpoint").first(),
            count=pl.len(),
            flows=pl.col("flow").n_unique(),
            clients=pl.col("client").drop_nulls().n_unique(),
            named=pl.col("client").drop_nulls().unique(maintain_order=True).head(NAMED),
            confidence=pl.col("confidence").median(),
            proof=pl.col("proof").fill_null(value=False).mean() >= 0.5,
            first=pl.col("time").min(),
            last=pl.col("time").max(),
            period_s=_period(),
        )
        .join(hit, on="incident", how="left", maintain_order="left")
        .join(best, on="incident", how="left", maintain_order="left")
        .sort("count", descending=True, maintain_order=True)
    )


def _period() -> pl.Expr:
    """The pause between failures when five or more of them keep it to a twentieth."""
    pauses = pl.col("time").sort().diff().dt.total_microseconds() / 1e6
    pause = pauses.median()
    regular = (pl.len() >= 5) & (pause >= 10) & ((pauses - pause).abs().max() <= 0.05 * pause)
    return pl.when(regular).then(pause)


# --- since when -----------------------------------------------------------------------------------------------------


def _traffic(placed: pl.DataFrame, main: pl.DataFrame) -> pl.DataFrame:
    """The requests of all places in time order, each with how many came up to it and how many of them worked."""
    wanted = main.select("place").unique()
    timed = placed.filter(pl.col("time").is_not_null()).select(
        "time", "of_host", "of_client", ok=~pl.col("failed") & pl.col("healthy").is_null()
    )
    both = [
        timed.select("time", "ok", place=key).join(wanted, on="place", how="semi") for key in ("of_host", "of_client")
    ]
    return (
        pl.concat(both)
        .sort("time")
        .with_columns(
            requests=pl.int_range(1, pl.len() + 1).over("place"),
            worked=pl.col("ok").cast(pl.Int64).cum_sum().over("place"),
        )
        .with_columns(worked_at=pl.when("ok").then("time").forward_fill().over("place"))
    )


def _with_onset(main: pl.DataFrame, roots: pl.DataFrame, traffic: pl.DataFrame) -> pl.DataFrame:
    """Columns ``onset``, and requests and failures before it and since; where nothing rises, the onset is the first failure."""
    risen = _measured(
        main.join(_rises(main, roots, traffic), on="incident", how="left", maintain_order="left"), roots, traffic
    )
    before = pl.col("failures_before") / pl.max_horizontal("requests_before", pl.lit(1))
    since = pl.col("failures_since") / pl.max_horizontal("requests_since", pl.lit(1))
    onset = pl.when((pl.col("failures_before") > 0) & (since < RISE * before)).then("first").otherwise("onset")
    return _measured(risen.select(*main.columns, onset=onset), roots, traffic)


def _measured(main: pl.DataFrame, roots: pl.DataFrame, traffic: pl.DataFrame) -> pl.DataFrame:
    counts = (
        roots.join(main.select("incident", "onset"), on="incident")
        .group_by("incident")
        .agg(failures_before=(pl.col("time") < pl.col("onset")).sum())
    )
    main = main.join(counts, on="incident", how="left", maintain_order="left")
    main = _up_to(
        main, traffic, "onset", {"requests": "requests_before", "worked_at": "worked_before"}, inclusive=False
    )
    main = _up_to(main, traffic, "last", {"requests": "requests_all", "worked": "worked_all"}, inclusive=True)
    main = main.with_columns(pl.col("requests_before", "failures_before", "requests_all", "worked_all").fill_null(0))
    return main.with_columns(
        requests_since=pl.col("requests_all") - pl.col("requests_before"),
        failures_since=pl.col("count") - pl.col("failures_before"),
    )


def _rises(main: pl.DataFrame, roots: pl.DataFrame, traffic: pl.DataFrame) -> pl.DataFrame:
    """For each incident the first failure after the share of failures began to rise."""
    start, end = traffic["time"].min(), traffic["time"].max()
    if start is None:
        return pl.DataFrame(schema={"incident": pl.String, "onset": pl.Datetime("us")})
    width = max(int((end - start) / timedelta(microseconds=1)) // BUCKETS, 1)  # type: ignore[operator]
    bucket = ((pl.col("time") - start).dt.total_microseconds() // width).alias("bucket")
    totals = traffic.group_by("place", bucket).agg(total=pl.len())
    failed = roots.drop_nulls("time").group_by("incident", bucket).agg(failed=pl.len(), at=pl.col("time").min())
    line = (
        main.select("incident", "place")
        .join(totals, on="place")
        .join(failed, on=["incident", "bucket"], how="left")
        .sort("incident", "bucket")
    )
    line = line.with_columns(pl.col("failed").fill_null(0))
    mean = pl.col("failed").sum().over("incident") / pl.col("total").sum().over("incident")
    line = line.with_columns(sum=(pl.col("failed") - mean * pl.col("total")).cum_sum().over("incident"))
    # the sum begins at 0, before the first bucket: a lowest point above -1e-9 means that failures rise from the start
    low = (
        pl.col("bucket")
        .filter((pl.col("sum") == pl.col("sum").min()) & (pl.col("sum") < -1e-9))
        .first()
        .over("incident")
        .fill_null(-1)
    )
    return (
        line.filter((pl.col("bucket") > low) & (pl.col("failed") > 0))
        .group_by("incident")
        .agg(onset=pl.col("at").min())
    )


def _up_to(
    main: pl.DataFrame, traffic: pl.DataFrame, column: str, values: dict[str, str], *, inclusive: bool
) -> pl.DataFrame:
    """The running figures of the place's traffic at a moment of each incident."""
    moments = main.select("incident", "place", time=column).drop_nulls().sort("time")
    lookup = traffic.select("place", "time", *values)
    found = moments.join_asof(
        lookup, on="time", by="place", strategy="backward", allow_exact_matches=inclusive, check_sortedness=False
    )
    return main.join(
        found.select("incident", *[pl.col(old).alias(new) for old, new in values.items()]),
        on="incident",
        how="left",
        maintain_order="left",
    )


def _with_state(main: pl.DataFrame, traffic: pl.DataFrame, start: Any, end: Any) -> pl.DataFrame:
    """Columns ``worked_after`` and ``state``."""
    worked = traffic.group_by("place").agg(worked_total=pl.col("worked").max())
    main = main.join(worked, on="place", how="left", maintain_order="left")
    after = (pl.col("worked_total") - pl.col("worked_all")).fill_null(0)
    share = (pl.col("failures_since") / pl.max_horizontal("requests_since", pl.lit(1))).clip(0, 1)
    span = pl.lit(end - start if start is not None else None, dtype=pl.Duration("us"))
    pace = pl.max_horizontal(
        span / 10, (pl.col("last") - pl.col("onset")) / pl.max_horizontal(pl.col("count"), pl.lit(1)) * 3
    )
    return main.with_columns(
        worked_after=after,
        state=pl.when(pl.col("last").is_null()).then(None)
        .when((1 - share).pow(after) < OVER).then(pl.lit("over"))
        .when((after == 0) & ((pl.lit(end, dtype=pl.Datetime("us")) - pl.col("last") > pace) | (pl.col("count") == 1))).then(pl.lit("quiet"))
        .otherwise(pl.lit("going on")),
    ).drop("worked_total", "worked_all", "requests_all")  # fmt: skip


# --- what changed ---------------------------------------------------------------------------------------------------


def _changes(main: pl.DataFrame, roots: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """What the failing requests have had since about the onset while the place had another value before."""
    begun = main.filter(pl.col("onset").is_not_null() & (pl.col("requests_before") > pl.col("failures_before"))).select(
        "incident", "place", "onset"
    )
    timed = placed.filter(pl.col("time").is_not_null())
    places = begun.select("place").unique()
    ours = roots.join(begun, on="incident").filter(pl.col("time") >= pl.col("onset")).select("id", "incident")
    found = [_change(parameter, begun, ours, timed, places) for parameter in WATCHED if parameter in placed.columns]
    every = pl.concat(found).sort("at", maintain_order=True)
    return every.group_by("incident", maintain_order=True).agg(changed=pl.struct("parameter", "was", "now", "at"))


def _change(
    parameter: str, begun: pl.DataFrame, ours: pl.DataFrame, timed: pl.DataFrame, places: pl.DataFrame
) -> pl.DataFrame:
    long = pl.concat(
        [
            timed.select("time", place=key, value=parameter).drop_nulls().join(places, on="place", how="semi")
            for key in ("of_host", "of_client")
        ]
    )
    values = long.group_by("place", "value").agg(since=pl.col("time").min(), uses=pl.len())
    now = (
        timed.select("id", value=parameter).drop_nulls().join(ours, on="id").group_by("incident", "value").agg(uses=pl.len())
        .sort("uses", "value", descending=True).unique("incident", keep="first", maintain_order=True).select("incident", now="value")
    )  # fmt: skip
    history = begun.join(values, on="place")
    was = (
        history.filter(pl.col("since") < pl.col("onset"))
        .sort("uses", "value", descending=True)
        .select("incident", was="value", was_since="since")
    )
    fresh = now.join(history.select("incident", "onset", now="value", at="since"), on=["incident", "now"])
    pairs = fresh.join(was, on="incident").filter(
        (pl.col("was") != pl.col("now")) & (pl.col("was_since") < pl.col("at"))
    )
    near = pl.col("at") >= pl.col("onset") - pl.max_horizontal(
        (pl.col("onset") - pl.col("was_since")) / 10, pl.duration(seconds=1)
    )
    pairs = pairs.filter(near).unique("incident", keep="first", maintain_order=True)
    return pairs.select("incident", pl.lit(parameter).alias("parameter"), "was", "now", "at")
