from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
import report_story as story

from oauthtrace import incidents
from oauthtrace.analysis import Analysis


@pytest.fixture(scope="module")
def found():
    analysis = story.morning()
    return incidents.find(analysis.failures, analysis.exchanges)


def row(found, cause):
    return found.table.filter(pl.col("cause") == cause).row(0, named=True)


def series(marks, *, start=datetime(2026, 3, 2, 9), step_s=60.0, client="web-app", **more):
    """An analysis of one client's token requests: a character each, ``.`` works, ``x`` fails."""
    rows = []
    for n, mark in enumerate(marks):
        failed = {"status": 401, "error": "invalid_client"} if mark == "x" else {"issued_token_fp": f"token:{n:08x}"}
        rows.append(
            story.base(n, start + timedelta(seconds=n * step_s), step="token", method="POST", path="/token", client_id=client, grant_type="client_credentials", **failed, **more)
        )  # fmt: skip
    return rows


def find(rows, cause="client/wrong-secret"):
    analysis = story.analysed(rows)
    failures = analysis.failures.with_columns(
        cause=pl.lit(cause), proof=pl.lit(value=True), confidence=pl.lit(0.9), caused_by=pl.lit(None, dtype=pl.String)
    )
    return incidents.find(failures, analysis.exchanges)


def test_the_worst_comes_first_and_all_failures_belong_somewhere(found):
    assert found.table["cause"].to_list() == ["redirect-uri/scheme", "grant/refresh-reused", "client/wrong-secret"]
    assert found.table["count"].to_list() == [41, 6, 3]
    assert found.members.height == 50


def test_since_when_and_how_much(found):
    lead = row(found, "redirect-uri/scheme")
    assert lead["onset"] == lead["first"] >= story.BROKEN
    assert lead["state"] == "going on"
    assert (lead["failures_before"], lead["failures_since"], lead["requests_since"]) == (0, 41, 41)
    assert lead["requests_before"] > 50
    assert lead["worked_before"] < lead["onset"]


def test_whom_it_hits(found):
    lead = row(found, "redirect-uri/scheme")
    assert (lead["client"], lead["clients"], lead["flows"]) == ("web-app", 1, 41)
    assert lead["users"] == 30


def test_what_changed_at_the_onset(found):
    changed = {change["parameter"]: change for change in row(found, "redirect-uri/scheme")["changed"]}
    assert (changed["redirect_uri"]["was"], changed["redirect_uri"]["now"]) == (story.HTTPS, story.HTTP)
    secrets = {change["parameter"]: change for change in row(found, "client/wrong-secret")["changed"]}
    assert secrets["secret_fp"]["now"] == "secret:11112222"


def test_a_regular_beat_is_noticed(found):
    assert row(found, "grant/refresh-reused")["period_s"] == 3600
    assert row(found, "client/wrong-secret")["period_s"] is None


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ("....xxxx", "going on"),
        ("....xxxx....", "over"),
        ("xxxxxxxx", "going on"),
        ("........x", "quiet"),
        (".x.x.x.x.x.x", "going on"),
        (".x..x..x..x.", "going on"),
    ],
)
def test_going_on_or_over(marks, state):
    assert find(series(marks)).table["state"].to_list() == [state]


def test_quiet_when_nobody_asked_since():
    rows = series("....xxx") + series("....................", start=datetime(2026, 3, 2, 10), client="other")
    assert find(rows).table["state"].to_list() == ["quiet"]


def test_onset_against_a_base_rate():
    incident = find(series("...x......x.....x....xx.xxxx.xxx")).table.row(0, named=True)
    assert incident["onset"] == datetime(2026, 3, 2, 9, 21)
    assert incident["failures_before"] == 3
    assert incident["requests_before"] == 21


def test_without_a_rise_it_began_with_the_first_failure():
    incident = find(series("..x..x..x..x..x.x..x..x.")).table.row(0, named=True)
    assert incident["onset"] == incident["first"]


def test_what_follows_is_counted_with_its_root():
    analysis = story.analysed(series(".xx."))
    first, second = analysis.failures["id"]
    failures = analysis.failures.with_columns(
        cause=pl.Series(["client/wrong-secret", "binding/state-mismatch"]),
        caused_by=pl.Series([None, first], dtype=pl.String),
    )
    found = incidents.find(failures, analysis.exchanges)
    assert found.table.select("count", "following").row(0) == (1, 1)
    assert found.members.filter(pl.col("id") == second)["root"].item() is False


def test_a_root_that_was_filtered_away_leaves_roots():
    analysis = story.analysed(series(".xx."))
    failures = analysis.failures.with_columns(caused_by=pl.lit("0123456789abcdef"))
    assert incidents.find(failures, analysis.exchanges).members["root"].all()


def test_an_outage_is_one_incident_for_all_clients():
    rows = [*series("..xx", client="a"), *series("..xx", client="b")]
    for n, one in enumerate(rows):
        one["id"] = f"{n:016x}"
    outage = find(rows, "server/outage").table
    assert outage.select("count", "clients").rows() == [(4, 2)]
    assert outage["client"].item() is None
    assert find(rows, "client/wrong-secret").table.height == 2


def test_ids_in_paths_do_not_split_an_incident():
    rows = series("xxxx")
    for n, one in enumerate(rows):
        one["path"] = f"/orders/{n}00/items"
    assert find(rows).table.height == 1


@pytest.mark.parametrize(
    ("messages", "incidents_found"),
    [
        (["Account is locked", "Account is locked"], 1),
        (["Account is locked", "no row in table sessions"], 2),
        (["User 4711 is locked", "User 8 is locked"], 1),
        (["Sign-in failed", "Sign-in failed: the account is locked by policy"], 1),
        (["Account is locked", None], 1),
        (["wrong", "http://a.test/1 secret:0badcafe 17"], 1),
        ([f"{name} went missing" for name in ("anna", "bert", "carl", "dora", "emil", "fred", "gina")], 1),
        (["anna", "bert", "carl", "dora", "emil", "fred", "gina"], 1),
    ],
    ids=["same", "different", "other number", "contained", "nothing said", "no words", "names", "only names"],
)
def test_a_clearly_different_message_is_another_incident(messages, incidents_found):
    rows = series("x" * len(messages))
    for one, message in zip(rows, messages, strict=True):
        one["message"] = message
    analysis = story.analysed(rows)
    judged = {"cause": pl.lit("unknown/unclassified"), "proof": pl.lit(value=False), "caused_by": pl.lit(None, dtype=pl.String)}  # fmt: skip
    failures = analysis.failures.with_columns(**judged)
    assert incidents.find(failures, analysis.exchanges).table.height == incidents_found
    proved = failures.with_columns(proof=pl.lit(value=True))
    assert incidents.find(proved, analysis.exchanges).table.height == 1, "what is proved is one thing however worded"


def test_without_times():
    rows = series("..xx")
    for one in rows:
        one["time"] = None
    table = find(rows).table
    assert table["count"].sum() == 2
    assert table["onset"].is_null().all()
    assert table["state"].is_null().all()


def test_no_failures():
    analysis = story.analysed(series("...."))
    found = incidents.find(analysis.failures, analysis.exchanges)
    assert found.table.is_empty()
    assert found.table.columns == [name for name, _, _ in incidents.COLUMNS]


def test_the_same_input_gives_the_same_incidents():
    first, second = (incidents.find(a.failures, a.exchanges).table for a in (story.morning(), story.morning()))
    assert first.equals(second)


def test_many_incidents_are_all_counted_though_few_are_examined(monkeypatch):
    monkeypatch.setattr(incidents, "EXAMINED", 2)
    rows = [one for n in range(5) for one in series("." + "x" * (n + 1), client=f"client-{n}")]
    for n, one in enumerate(rows):
        one["id"] = f"{n:016x}"
    table = find(rows).table
    assert table["count"].sum() == 15
    assert table["onset"].is_not_null().sum() == 2
    assert isinstance(story.morning(), Analysis)
