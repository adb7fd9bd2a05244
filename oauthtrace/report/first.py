"""The first screen: the verdict in a sentence, what to change, the figures that matter, the time chart."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from oauthtrace.analysis import Analysis
from oauthtrace.causes import causes
from oauthtrace.evidence import duration
from oauthtrace.report.chart import Chart, chart
from oauthtrace.report.model import Figure, First
from oauthtrace.report.texts import counted, number, percent, plural, text
from oauthtrace.report.words import LIKELY, NAME, Words

HOSTS = 20
CROWDED = 1.5
"""With more root failures than this a failed flow, exchanges are counted instead of flows."""
STANDS_OUT = 1.5
"""The worst incident is named in the verdict when it does so many times the harm of the next one."""

Row = dict[str, Any]
_KINDS = ("sign-in", "refresh", "token", "call", "event", "flow", "exchange")


def first_screen(analysis: Analysis, table: pl.DataFrame, members: pl.DataFrame, words: Words) -> First:
    """The first screen of an analysis with these incidents."""
    kicker = _kicker(analysis, words)
    if analysis.exchanges.is_empty():
        return First(kicker, ("", _nothing(analysis)), _no_oauth(analysis, words), [], None)
    flows = unit_table(analysis.exchanges, members, "flow")
    if table.is_empty():
        read = {"exchanges": counted("exchange", analysis.exchanges.height), "flows": counted("flow", flows.height)}
        return First(kicker, ("", text("verdict.none")), [text("verdict.none_advice", **read)], [], None)
    lead = table.row(0, named=True)
    by = "flow" if int(members["root"].sum()) <= CROWDED * int(flows["bad"].sum()) else "id"
    units = flows if by == "flow" else unit_table(analysis.exchanges, members, by)
    of_lead = _units_of(lead["incident"], members, analysis.exchanges, by)
    bad = units.filter("bad")
    dominates = 2 * of_lead.height >= bad.height
    noun = _noun(bad.join(of_lead, on="unit", how="semi") if dominates else bad)
    alike = units.filter(pl.col("kind") == noun) if noun != "flow" else units
    verdict = _alarm(lead, noun, alike, of_lead, words) if dominates else _many(table, noun, alike, words)
    stands_out = dominates or bool(verdict[1])
    advice = _advice(table, words) if stands_out else [text("verdict.many_advice")]
    return First(
        kicker,
        verdict,
        advice,
        _figures(lead, noun, alike, words, stands_out=stands_out),
        _chart(lead, noun, alike, words, stands_out=stands_out),
    )


def unit_table(exchanges: pl.DataFrame, members: pl.DataFrame, by: str) -> pl.DataFrame:
    """What is counted, one row each: first, last, client, its kind, and whether it has a root failure (``bad``).

    Args:
        exchanges: all exchanges.
        members: which of them failed.
        by: ``flow``, or ``id`` to count exchanges where many failures share a flow.

    """
    unit = pl.col(by).alias("unit")
    bad = (
        exchanges.select("n", "id", "flow")
        .join(members.filter("root").select("n"), on="n", how="semi")
        .select(unit)
        .unique()
        .with_columns(bad=pl.lit(value=True))
    )
    step, grant = pl.col("step"), pl.col("grant_type")
    by_user = step.is_in(["authorization", "redirection", "par", "device-authorization"])
    by_user |= grant.is_in(["authorization_code", "password"]).fill_null(value=False) | grant.str.contains(
        "device_code"
    ).fill_null(value=False)
    rank = (
        pl.when(by_user).then(0)
        .when(grant == "refresh_token").then(1)
        .when(step.is_in(["token", "introspection", "revocation", "registration"])).then(2)
        .when(step.is_in(["resource", "userinfo"])).then(3)
        .when(step == "event").then(4)
        .otherwise(5)
    )  # fmt: skip
    if by == "id":
        rank = pl.when(step == "event").then(4).otherwise(6)
    units = exchanges.select(unit, first="time", last="time", client="client_id", kind=rank.cast(pl.Int8))
    if by != "id":
        units = units.group_by("unit").agg(
            pl.col("first").min(),
            pl.col("last").max(),
            pl.col("client").drop_nulls().first(),
            pl.col("kind").min(),
        )
    names = dict(enumerate(_KINDS))
    return units.join(bad, on="unit", how="left").with_columns(
        kind=pl.col("kind").replace_strict(names, return_dtype=pl.String), bad=pl.col("bad").fill_null(value=False)
    )


def _units_of(incident: str, members: pl.DataFrame, exchanges: pl.DataFrame, by: str) -> pl.DataFrame:
    ours = members.filter(pl.col("root") & (pl.col("incident") == incident)).select("n")
    return exchanges.select("n", "id", "flow").join(ours, on="n", how="semi").select(pl.col(by).alias("unit")).unique()


def _noun(bad: pl.DataFrame) -> str:
    """What the failed flows are, when all are of one kind."""
    kinds = bad["kind"].unique()
    return str(kinds[0]) if len(kinds) == 1 else "flow"


def _kicker(analysis: Analysis, words: Words) -> str:
    names = [words.show(reading.file, 240).replace("\\", "/").rpartition("/")[2] for reading in analysis.inputs]
    if len(names) > 3:
        names = [*names[:2], text("page.more_names", n=number(len(names) - 2))]
    files = text("page.and").join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return " · ".join(
        part for part in (text("page.kicker"), files, words.clock.whole() or text("page.no_time")) if part
    )


# --- the verdict ----------------------------------------------------------------------------------------------------


def _alarm(lead: Row, noun: str, alike: pl.DataFrame, of_lead: pl.DataFrame, words: Words) -> tuple[str, str]:
    going_on = lead["requests_before"] and lead["state"] == "going on" and lead["failures_since"] > 1
    counted_flows = alike.filter(pl.col("last") >= lead["onset"]) if going_on else alike
    failed = counted_flows.join(of_lead, on="unit", how="semi").height
    given = {
        "failed": number(failed),
        "all": number(counted_flows.height),
        "noun": plural(f"nouns.{noun}", counted_flows.height),
        "fail": plural("verdict.fail", failed),
    }
    if going_on:
        said = text("verdict.failing_since", since=words.clock(lead["onset"]), **given)
    elif lead["first"] is None:
        said = text("verdict.failed", **given)
    else:
        said = text("verdict.failed_between", when=words.when(lead, "verdict.at", "verdict.between"), **given)
    return said, words.statement(lead) + "."


def _many(table: pl.DataFrame, noun: str, alike: pl.DataFrame, words: Words) -> tuple[str, str]:
    failed = int(alike["bad"].sum())
    said = text(
        "verdict.many",
        failed=number(failed),
        all=number(alike.height),
        noun=plural(f"nouns.{noun}", alike.height),
        reasons=plural("verdict.reasons", table["cause"].n_unique()),
    )
    harms = table["harm"].head(2).to_list()
    lead = len(harms) < 2 or harms[0] >= STANDS_OUT * harms[1]
    return said, text("verdict.many_lead", statement=words.statement(table.row(0, named=True))) if lead else ""


def _advice(table: pl.DataFrame, words: Words) -> list[str]:
    lead = table.row(0, named=True)
    cause = causes()[lead["cause"]]
    advice = [cause.remedy.summary, *(words.changed(lead)[:1] if lead["changed"] else [])]
    if not lead["proof"] and lead["confidence"] < LIKELY:
        advice.append(text("verdict.capture_next", what=cause.capture_next))
    if table.height > 1:
        smaller = table["flows"].slice(1).to_list()
        advice.append(plural("nouns.smaller" if max(smaller) < lead["flows"] else "nouns.other", len(smaller)))
    return advice


def _nothing(analysis: Analysis) -> str:
    records = sum(reading.records for reading in analysis.inputs)
    noun = plural("nouns.request" if any(reading.hosts for reading in analysis.inputs) else "nouns.record", records)
    return text("verdict.no_oauth", n=0, all=number(records), noun=noun)


def _no_oauth(analysis: Analysis, words: Words) -> list[str]:
    hosts: Counter[str] = sum((reading.hosts for reading in analysis.inputs), Counter())
    named = [words.show(host, NAME) for host, _ in sorted(hosts.items(), key=lambda item: (-item[1], item[0]))]
    if len(named) > HOSTS:
        named = [*named[:HOSTS], text("page.more_names", n=number(len(named) - HOSTS))]
    seen = [text("verdict.no_oauth_hosts", hosts=", ".join(named))] if named else []
    return [text("verdict.no_oauth_advice"), *seen, text("verdict.no_oauth_hint")]


# --- figures and chart ----------------------------------------------------------------------------------------------


def _figures(lead: Row, noun: str, alike: pl.DataFrame, words: Words, *, stands_out: bool) -> list[Figure]:
    bad = alike.filter("bad")
    found = [Figure(number(bad.height), text("figures.failed", noun=plural(f"nouns.{noun}", bad.height)))]
    hit, clients = (frame["client"].drop_nulls().n_unique() for frame in (bad, alike))
    if hit:
        found.append(Figure(text("figures.clients_of", n=number(hit), all=number(clients)), text("figures.clients")))
    if (
        stands_out
        and (lead["failures_since"] or 0) > 1
        and lead["onset"]
        and (lead["last"] - lead["onset"]).total_seconds() >= 1
    ):
        state = {"going on": "going_on", "over": "over"}.get(lead["state"], "quiet")
        found.append(Figure(duration((lead["last"] - lead["onset"]).total_seconds()), text(f"figures.{state}")))
        found.append(_share(lead, words))
    return found


def _share(lead: Row, words: Words) -> Figure:
    share = percent(lead["failures_since"] / max(lead["requests_since"], 1))
    who = words.show(lead["client"] or lead["host"] or text("verdict.nobody"), 40)
    if not lead["requests_before"]:
        return Figure(share, text("figures.share_new", who=who))
    before = percent(lead["failures_before"] / lead["requests_before"])
    return Figure(share, text("figures.share", who=who, since=words.clock(lead["onset"]), before=before))


def _chart(lead: Row, noun: str, alike: pl.DataFrame, words: Words, *, stands_out: bool) -> Chart | None:
    onset = None
    if stands_out and lead["onset"] and lead["requests_before"] and lead["failures_since"] > 1:
        earlier = alike.filter(pl.col("bad") & (pl.col("first") < lead["onset"])).height > 0
        name = "rise" if lead["failures_before"] else "onset_of_lead" if earlier else "onset"
        label = text(f"chart.{name}", when=words.clock(lead["onset"]))
        onset = lead["onset"], label, words.changed_short(lead)
    return chart(alike, noun, words.clock, onset)
