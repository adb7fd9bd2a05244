"""The view model: what the templates are given. Typed, built from the frames, without any HTML in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import polars as pl

from oauthtrace import incidents
from oauthtrace.analysis import Analysis
from oauthtrace.causes import Cause, causes
from oauthtrace.evidence import duration
from oauthtrace.providers import providers
from oauthtrace.report.around import Case, cases
from oauthtrace.report.chart import Chart, chart
from oauthtrace.report.curl import reproduce
from oauthtrace.report.panels import Panel, choose
from oauthtrace.report.texts import counted, number, percent, plural, text, texts
from oauthtrace.report.times import Clock
from oauthtrace.report.timeline import Timeline, timeline
from oauthtrace.report.visible import Pseudonyms, Show, plain

DETAILED, LISTED, FAILURES = 30, 200, 1000
"""So many incidents are shown in full, so many in the table, and so many failures one by one."""
INPUTS, REJECTS, HOSTS = 50, 5, 20
LIKELY, POSSIBLE = 0.75, 0.4
_NAME, _LINE, _SENTENCE = 80, 240, 500
_SAFE = re.compile(r"[A-Za-z0-9._~:/@-]+")

Row = dict[str, Any]


class Figure(NamedTuple):
    """A number that matters and what it says."""

    value: str
    label: str


class Badge(NamedTuple):
    """How sure the cause is: a word, the number where it adds something, and what the word means."""

    level: str
    label: str
    meaning: str


class Check(NamedTuple):
    """How to see that the remedy worked: a command, where there is one, and what it has to show."""

    command: str
    expectation: str


class Other(NamedTuple):
    """A cause that it could have been."""

    title: str
    cause: str
    share: str
    differs: str


class Failed(NamedTuple):
    """One failure in a list."""

    id: str
    time: str
    who: str
    request: str
    answer: str
    source: str
    follows: str


@dataclass(slots=True)
class Incident:
    """One row of the table; with ``detail`` where it is shown in full."""

    id: str
    title: str
    cause: str
    at: str
    who: str
    hit: str
    count: str
    when: str
    state: str
    badge: Badge
    detail: Detail | None = None


@dataclass(slots=True)
class Detail:
    """All that is told of one incident."""

    statement: str
    meta: list[str]
    meaning: str
    changed: list[str]
    panels: list[Panel]
    change: list[tuple[str, list[str]]]
    summary: str
    check: Check
    timeline: Timeline
    curl: str | None
    proved: bool
    evidence: list[str]
    unseen: list[str]
    others: list[Other]
    references: list[str]
    failures: list[Failed]
    failures_title: str
    left_out: str
    markdown: str


@dataclass(slots=True)
class Input:
    """One input as it was read."""

    file: str
    format: str
    records: str
    exchanges: str
    rejected: str
    notes: list[str]


@dataclass(slots=True)
class Report:
    """The whole page. ``verdict`` has its alarming part and the rest."""

    title: str
    kicker: str
    verdict: tuple[str, str]
    advice: list[str]
    healthy: list[str]
    figures: list[Figure]
    chart: Chart | None
    incidents: list[Incident]
    more: str
    short: str
    inputs: list[Input]
    read_notes: list[str]
    share: bool
    details: list[Incident] = field(default_factory=list)


def build(analysis: Analysis, *, title: str | None = None, share: bool = False) -> Report:
    """The view model of an analysis."""
    return _Builder(analysis, share=share).report(title)


class _Builder:
    """Holds what all parts need: frames, clock, and how strings are shown."""

    def __init__(self, analysis: Analysis, *, share: bool) -> None:
        self.analysis = analysis
        self.exchanges, self.failures = analysis.exchanges, analysis.failures
        self.share = share
        self.show: Show = _pseudonyms(analysis) if share else plain
        self.clock = Clock(self.exchanges["time"].min(), self.exchanges["time"].max())  # type: ignore[arg-type]
        found = incidents.find(self.failures, self.exchanges)
        self.table, self.members = found.table, found.members
        self.flows = _flow_table(self.exchanges, self.members)

    def report(self, title: str | None) -> Report:
        """The whole page."""
        listed = [self._row(row) for row in self.table.head(LISTED).iter_rows(named=True)]
        shown = self.table.head(DETAILED)
        members = self._members(shown)
        for incident, case in zip(listed, cases(shown, self.failures, self.exchanges), strict=False):
            incident.detail = self._detail(case, members.get(case.incident["incident"], []))
        verdict, advice = self._verdict()
        details = [incident for incident in listed if incident.detail]
        short = text("table.short", n=number(len(details))) if len(details) < len(listed) else ""
        inputs = [self._input(reading) for reading in self.analysis.inputs[:INPUTS]]
        return Report(
            title=title or " ".join(verdict).strip(),
            kicker=self._kicker(),
            verdict=verdict,
            advice=advice,
            healthy=self._healthy(),
            figures=self._figures(),
            chart=self._chart(),
            incidents=listed,
            more=self._more(),
            short=short,
            inputs=inputs,
            read_notes=self._read_notes(),
            share=self.share,
            details=details,
        )

    # --- first screen -----------------------------------------------------------------------------------------------

    def _kicker(self) -> str:
        names = [self.show(reading.file.replace("\\", "/").rpartition("/")[2] if not self.share else reading.file, _NAME) for reading in self.analysis.inputs]
        if len(names) > 3:
            names = [*names[:2], f"{len(names) - 2} more"]
        files = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        return " · ".join(part for part in (text("page.kicker"), files, self.clock.whole() or text("page.no_time")) if part)

    def _verdict(self) -> tuple[tuple[str, str], list[str]]:
        if self.exchanges.is_empty():
            return self._no_oauth()
        if self.table.is_empty():
            advice = text("verdict.none_advice", exchanges=counted("exchange", self.exchanges.height), flows=counted("flow", self.flows.height))
            return ("", text("verdict.none")), [advice]
        lead = self.table.row(0, named=True)
        bad = self.flows.filter("bad")
        noun = _noun(bad)
        if lead["flows"] >= bad.height / 2:
            return (self._alarm(lead, noun), self._hedged(lead) + "."), self._advice(lead)
        alike = self.flows if noun == "flow" else self.flows.filter(pl.col("kind") == noun)
        many = text("verdict.many", failed=number(bad.height), all=number(alike.height), noun=plural(f"nouns.{noun}", alike.height), reasons=number(self.table["cause"].n_unique()))
        return (many, text("verdict.many_lead", statement=self._hedged(lead))), self._advice(lead)

    def _no_oauth(self) -> tuple[tuple[str, str], list[str]]:
        records = sum(reading.records for reading in self.analysis.inputs)
        hosts: dict[str, int] = {}
        for reading in self.analysis.inputs:
            for host, count in reading.hosts.items():
                hosts[host] = hosts.get(host, 0) + count
        named = [self.show(host, _NAME) for host in sorted(hosts, key=lambda h: (-hosts[h], h))]
        if len(named) > HOSTS:
            named = [*named[:HOSTS], f"{len(named) - HOSTS} more"]
        advice = [text("verdict.no_oauth_advice")]
        if named:
            advice.append(text("verdict.no_oauth_hosts", hosts=", ".join(named)))
        noun = plural("nouns.request" if named else "nouns.record", records)
        return ("", text("verdict.no_oauth", n=0, all=number(records), noun=noun)), [*advice, text("verdict.no_oauth_hint")]

    def _alarm(self, lead: Row, noun: str) -> str:
        since = lead["onset"] if lead["requests_before"] and lead["state"] == "going on" and lead["failures_since"] > 1 else None
        alike = self.flows if noun == "flow" else self.flows.filter(pl.col("kind") == noun)
        if since is not None:
            alike = alike.filter(pl.col("last") >= since)
        given = {"failed": number(lead["flows"]), "all": number(alike.height), "noun": plural(f"nouns.{noun}", alike.height), "fail": plural("verdict.fail", lead["flows"])}
        if since is not None:
            return text("verdict.failing_since", since=self.clock(since), **given)
        if lead["first"] is None:
            return text("verdict.failed", **given)
        return text("verdict.failed_between", when=self._when(lead, "verdict"), **given)

    def _when(self, row: Row, section: str) -> str:
        first, last = self.clock(row["first"]), self.clock(row["last"])
        if section == "verdict":
            return text("verdict.at", first=first) if first == last else text("verdict.between", first=first, last=last)
        return first if first == last else text("incident.from_to", first=first, last=last)

    def _hedged(self, row: Row) -> str:
        said = self._statement(row)
        return said if row["proof"] or row["confidence"] >= POSSIBLE or row["cause"].startswith("unknown/") else text("verdict.perhaps", statement=said)

    def _title(self, row: Row) -> str:
        """The statement as a heading; a client's name at its beginning stays as it is written."""
        said = self._hedged(row)
        named = texts()["statements"].get(row["cause"], "{client}").startswith("{") and not said.startswith(text("verdict.nobody"))
        return said if named else said[:1].upper() + said[1:]

    def _statement(self, row: Row, sent: str | None = None) -> str:
        template = texts()["statements"].get(row["cause"])
        client = self.show(row["client"], _NAME) if row["client"] else text("verdict.nobody") if row["clients"] <= 1 else text("verdict.several", n=number(row["clients"]))
        host = self.show(row["host"], _NAME) if row["host"] else text("verdict.server")
        if template is None:
            return f"{client}: {causes()[row['cause']].title}"
        scheme = self._sent_scheme(row, sent) if "{sent_scheme}" in template else "http"
        return str(template.format(client=client, host=host, server=self._server(row), sent_scheme=scheme, other_scheme="https" if scheme == "http" else "http"))

    def _sent_scheme(self, row: Row, sent: str | None) -> str:
        uri = sent or self.failures.filter(pl.col("id") == row["example"])["redirect_uri"].first() or "http:"
        return "https" if str(uri).startswith("https") else "http"

    def _server(self, row: Row) -> str:
        known = providers().get(row["provider"] or "")
        return known.name if known else self.show(row["host"], _NAME) if row["host"] else text("verdict.server")

    def _advice(self, lead: Row) -> list[str]:
        cause = causes()[lead["cause"]]
        advice = [cause.remedy.summary]
        advice += self._changed(lead)[:1] if lead["changed"] else []
        if not lead["proof"] and lead["confidence"] < LIKELY:
            advice.append(text("verdict.capture_next", what=cause.capture_next))
        rest = self.table.slice(1)
        if rest.height:
            advice.append(plural("nouns.smaller" if rest["flows"].max() < lead["flows"] else "nouns.other", rest.height))  # type: ignore[operator]
        return advice

    def _healthy(self) -> list[str]:
        counts = self.exchanges["healthy"].drop_nulls().value_counts(sort=True).rows() if self.exchanges.height else []
        return [f"{counted('exchange', count)}: {reason}." for reason, count in counts]

    def _figures(self) -> list[Figure]:
        if self.table.is_empty():
            return []
        lead = self.table.row(0, named=True)
        bad = self.flows.filter("bad")
        noun = _noun(bad)
        if noun != "flow":
            bad = bad.filter(pl.col("kind") == noun)
        found = [Figure(number(bad.height), text("figures.failed", noun=plural(f"nouns.{noun}", bad.height)))]
        clients = self.flows["client"].drop_nulls().n_unique()
        hit = bad["client"].drop_nulls().n_unique()
        if hit:
            found.append(Figure(text("figures.clients_of", n=number(hit), all=number(clients)), text("figures.clients")))
        if lead["failures_since"] and lead["failures_since"] > 1 and lead["onset"] and lead["last"] > lead["onset"]:
            state = {"going on": "going_on", "over": "over"}.get(lead["state"], "quiet")
            found.append(Figure(duration((lead["last"] - lead["onset"]).total_seconds()), text(f"figures.{state}")))
            who = self.show(lead["client"] or lead["host"] or "?", 40)
            before = lead["requests_before"]
            share = lead["failures_since"] / max(lead["requests_since"], 1)
            label = text("figures.share", who=who, since=self.clock(lead["onset"]), before=percent(lead["failures_before"] / before)) if before else text("figures.share_new", who=who)
            found.append(Figure(percent(share), label))
        return found

    def _chart(self) -> Chart | None:
        if self.table.is_empty() or not self.clock.first:
            return None
        lead = self.table.row(0, named=True)
        noun = _noun(self.flows.filter("bad"))
        alike = self.flows if noun == "flow" else self.flows.filter(pl.col("kind") == noun)
        onset = None
        if lead["onset"] and lead["requests_before"] and lead["failures_since"] > 1:
            label = text("chart.rise" if lead["failures_before"] else "chart.onset", when=self.clock(lead["onset"]))
            onset = lead["onset"], label, self._changed_short(lead)
        return chart(alike, noun, self.clock, onset)

    # --- incidents --------------------------------------------------------------------------------------------------

    def _row(self, row: Row) -> Incident:
        cause = causes()[row["cause"]]
        hit = [counted(noun, row[column]) for noun, column in (("client", "clients"), ("user", "users"), ("address", "addresses")) if row[column] > (1 if noun == "client" else 0)]
        return Incident(
            id=row["incident"],
            title=cause.title,
            cause=cause.id,
            at=text("table.at", cause=cause.id, server=self._server(row)),
            who=self._who(row),
            hit=", ".join(hit[:2]),
            count=number(row["count"] + row["following"]),
            when=self._when(row, "incident"),
            state=self._state(row),
            badge=badge(row["confidence"], proof=row["proof"]),
        )

    def _state(self, row: Row) -> str:
        words = [text("state.every", period=duration(row["period_s"]))] if row["period_s"] else []
        return ", ".join([*words, *([text(f"state.{row['state']}")] if row["state"] else [])])

    def _who(self, row: Row) -> str:
        if row["client"]:
            return self.show(row["client"], _NAME)
        return counted("client", row["clients"]) if row["clients"] > 1 else self.show(row["host"] or text("verdict.nobody"), _NAME)

    def _more(self) -> str:
        rest = self.table.slice(LISTED)
        if rest.is_empty():
            return ""
        counts = rest["cause"].value_counts(sort=True).head(10).rows()
        return text("table.more", n=counted("incident", rest.height), list=", ".join(f"{cause} ({number(count)})" for cause, count in counts))

    def _detail(self, case: Case, failures: list[Failed]) -> Detail:
        row, cause = case.incident, causes()[case.cause]
        total = row["count"] + row["following"]
        proved = bool(row["proof"])
        change = [(text(f"readers.{reader}"), list(steps)) for reader in texts()["readers"] if (steps := getattr(cause.remedy, reader))]
        detail = Detail(
            statement=self._title(row),
            meta=self._meta(row),
            meaning=cause.meaning,
            changed=self._changed(row),
            panels=choose(case, self.show, self.clock),
            change=change,
            summary=cause.remedy.summary,
            check=self._check(cause, case),
            timeline=timeline(case, self.show, self.clock, self._server(row)),
            curl=reproduce(case.row, self.show),
            proved=proved,
            evidence=[self.show(sentence, _SENTENCE) for sentence in case.row["evidence"] or ()],
            unseen=self._unseen(case, cause, proved=proved),
            others=_others(case.row, cause),
            references=list(cause.references),
            failures=failures,
            failures_title=plural("incident.all", total) if len(failures) == total else text("incident.some", shown=number(len(failures)), n=number(total)),
            left_out=text("incident.left_out", n=number(total - len(failures))) if total > len(failures) else "",
            markdown="",
        )
        detail.markdown = _markdown(detail, cause.id, badge(row["confidence"], proof=proved).label, case.row["id"])
        return detail

    def _meta(self, row: Row) -> list[str]:
        parts = [counted("failure", row["count"])]
        if row["following"]:
            parts.append(plural("incident.following", row["following"]))
        parts += [counted(noun, row[column]) for noun, column in (("client", "clients"), ("user", "users"), ("address", "addresses")) if row[column] > (1 if noun == "client" else 0)]
        if row["first"] is not None:
            when = self._when(row, "incident")
            parts.append(text("incident.since", since=self.clock.second(row["onset"])) if row["state"] == "going on" and row["onset"] and row["count"] > 1 else when)
            parts.append(self._state(row))
        host = self.show(row["host"], _NAME) if row["host"] else ""
        server = self._server(row)
        parts.append(server if server == host or not host else f"{server}, {host}")
        return [part for part in parts if part]

    def _changed_short(self, row: Row) -> str:
        for change in row["changed"] or ():
            what = text(f"changed.short.{change['parameter']}", who=self.show(row["client"] or text("verdict.nobody"), 40))
            ago = (row["onset"] - change["at"]).total_seconds()
            return text("changed.short.ago", ago=duration(ago), what=what) if ago >= 1 else what
        return ""

    def _changed(self, row: Row) -> list[str]:
        if not row["changed"]:
            return [text("changed.nothing" if row["requests_before"] else "changed.no_before")]
        found = []
        for change in row["changed"]:
            was, now = self.show(change["was"], 120), self.show(change["now"], 120)
            sentence = text(f"changed.{change['parameter']}", was=was, now=now, at=self.clock(change["at"]))
            ago = (row["onset"] - change["at"]).total_seconds()
            if ago >= 1:
                sentence += text("changed.before", ago=duration(ago))
            found.append(sentence + ".")
        return found

    def _unseen(self, case: Case, cause: Cause, *, proved: bool) -> list[str]:
        seen = set(case.row["sees"] or ())
        capture = {"headers", "body"} <= seen
        formats = self.show(case.row["source_format"], _NAME)
        missing = [word for word in ("body", "answer", "location", "query") if word not in seen]
        found = [text(f"sees.{word}", formats=formats) for word in missing[:2]]
        if capture and "authorization" not in seen:
            found.append(text("sees.authorization"))
        if cause.family in ("redirect-uri", "scope", "client"):
            found.append(text("sees.registered"))
        if not proved:
            found.append(text("verdict.capture_next", what=cause.capture_next))
        return found or [text("sees.complete")]

    def _check(self, cause: Cause, case: Case) -> Check:
        known = _known(case)
        filled = re.sub(r"\$([A-Z_]+)", lambda m: self.show(known[m[1]]) if m[1] in known and _SAFE.fullmatch(self.show(known[m[1]])) else m[0], cause.remedy.check)
        return split_check(filled)

    # --- failures one by one ----------------------------------------------------------------------------------------

    def _members(self, shown: pl.DataFrame) -> dict[str, list[Failed]]:
        if shown.is_empty():
            return {}
        each = max(FAILURES // shown.height, 5)
        picked = (
            self.members.join(shown.select("incident", "example"), on="incident", maintain_order="left")
            .with_columns(rank=pl.when(pl.col("id") == pl.col("example")).then(-1).otherwise(pl.int_range(pl.len()).over("incident")))
            .filter(pl.col("rank").rank("ordinal").over("incident") <= each)
        )
        columns = ("id", "time", "client_id", "method", "host", "path", "url", "status", "error", "error_code", "transport_error", "source_file", "source_format", "source_position", "caused_by")
        rows = self.failures.select(columns).join(picked.select("id", "incident"), on="id", maintain_order="left")
        found: dict[str, list[Failed]] = {}
        for row in rows.iter_rows(named=True):
            found.setdefault(row["incident"], []).append(self._failed(row))
        return found

    def _failed(self, row: Row) -> Failed:
        where = f"{row['host'] or ''}{row['path'] or ''}" or row["url"] or ""
        answer = f"{row['status'] or ''} {row['error_code'] or row['error'] or ''}".strip() or row["transport_error"] or text("failures.none")
        return Failed(
            id=row["id"],
            time=self.clock.exact(row["time"]) if row["time"] else "",
            who=self.show(row["client_id"] or "", _NAME),
            request=f"{self.show(row['method'] or '', 12)} {self.show(where, 160)}".strip(),
            answer=self.show(answer, 100),
            source=f"{self._file(row['source_file'])}, {_position(row['source_format'], row['source_position'])}",
            follows=row["caused_by"] or "",
        )

    def _file(self, name: str) -> str:
        return self.show(name if self.share else name.replace("\\", "/").rpartition("/")[2], _NAME)

    # --- what was read ----------------------------------------------------------------------------------------------

    def _input(self, reading: Any) -> Input:
        rejects = [
            self.show(text("read.position", position=_position(reading.format, r.position), reason=r.reason) if r.position is not None else r.reason, _LINE) for r in reading.rejects[:REJECTS]
        ]
        if reading.rejected > len(rejects):
            rejects.append(text("read.more_rejects", n=number(reading.rejected - len(rejects))))
        rejected = f"{number(reading.rejected)} ({'; '.join(rejects)})" if reading.rejected else "0"
        notes = [self.show(note, _SENTENCE) for note in reading.notes[:10]]
        return Input(self._file(reading.file), self.show(reading.format, _NAME), number(reading.records), number(reading.exchanges), rejected, notes)

    def _read_notes(self) -> list[str]:
        notes = [text("page.secrets")]
        if self.share:
            notes.append(text("page.shared"))
        if len(self.analysis.inputs) > INPUTS:
            notes.insert(0, text("read.more_rejects", n=number(len(self.analysis.inputs) - INPUTS)))
        off = self.exchanges.filter(pl.col("clock_off_s").abs() > 1.5).group_by("host").agg(pl.col("clock_off_s").first()).sort("host").head(5) if self.exchanges.height else None
        for host, seconds in off.iter_rows() if off is not None else ():
            notes.append(text("read.clock", host=self.show(host or "?", _NAME), off=duration(seconds), direction=text("read.ahead" if seconds > 0 else "read.behind")))
        return notes


# --- helpers --------------------------------------------------------------------------------------------------------


def _pseudonyms(analysis: Analysis) -> Pseudonyms:
    def names(*columns: str) -> list[str]:
        return [name for column in columns if column in analysis.exchanges.columns for name in analysis.exchanges[column].drop_nulls().unique(maintain_order=True).to_list()]

    hosts = [host for reading in analysis.inputs for host in reading.hosts if re.fullmatch(r"[\w.:-]+", host)]
    return Pseudonyms(
        clients=names("client_id", "similar_client", "jwt_azp"),
        hosts=[*names("host", "referer_host"), *hosts],
        addresses=names("client_address"),
        files=[reading.file for reading in analysis.inputs] + names("source_file"),
    )


def _flow_table(exchanges: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """One row a flow: first, last, client, what kind of flow it is, and whether it has a root failure (``bad``)."""
    bad = members.filter("root").select("id").join(exchanges.select("id", "flow"), on="id").select("flow").unique().with_columns(bad=pl.lit(value=True))
    step, grant = pl.col("step"), pl.col("grant_type")
    kinds = exchanges.select(
        "flow", "time", "client_id",
        rank=pl.when(step.is_in(["authorization", "redirection", "par", "device-authorization"]) | grant.is_in(["authorization_code", "password"]) | grant.str.contains("device_code")).then(0)
        .when(grant == "refresh_token").then(1)
        .when(step.is_in(["token", "introspection", "revocation", "registration"])).then(2)
        .when(step.is_in(["resource", "userinfo"])).then(3)
        .when(step == "event").then(4).otherwise(5),
    )  # fmt: skip
    names = {0: "sign-in", 1: "refresh", 2: "token", 3: "call", 4: "event", 5: "flow"}
    flows = kinds.group_by("flow").agg(first=pl.col("time").min(), last=pl.col("time").max(), client=pl.col("client_id").drop_nulls().first(), rank=pl.col("rank").min())
    return flows.join(bad, on="flow", how="left").with_columns(kind=pl.col("rank").replace_strict(names, return_dtype=pl.String), bad=pl.col("bad").fill_null(value=False))


def _noun(bad: pl.DataFrame) -> str:
    """What most of the failed flows are, when nearly all are the same."""
    if bad.is_empty():
        return "flow"
    kind, count = bad["kind"].value_counts(sort=True).row(0)
    return str(kind) if count >= 0.8 * bad.height else "flow"


def badge(confidence: float, *, proof: bool) -> Badge:
    """Confidence in words."""
    shown = f"{confidence:.2f}".rstrip("0").rstrip(".")
    if proof and confidence >= POSSIBLE:
        return Badge("proved", text("confidence.proved"), text("confidence.proved meaning", number=shown))
    level = "likely" if confidence >= LIKELY else "possible" if confidence >= POSSIBLE else "unclear"
    return Badge(level, f"{text(f'confidence.{level}')}, {shown}", text("confidence.other meaning", number=shown))


def _others(row: Row, cause: Cause) -> list[Other]:
    differs = dict(cause.lookalikes)
    scored = {other["cause"]: other["confidence"] for other in row["alternatives"] or ()}
    names = [*scored, *(name for name in differs if name not in scored)]
    found = []
    for name in names[:4]:
        other = causes().get(name)
        if other and name != cause.id:
            found.append(Other(other.title, name, percent(scored[name]) if name in scored else "", _sentence(differs[name]) if name in differs else ""))
    return found


def _known(case: Case) -> dict[str, str]:
    """Values of the placeholders that a check may have, as far as the flow shows them."""
    row = case.row
    sent, worked = row["redirect_uri"], row["worked_redirect_uri"] or row["authorize_redirect_uri"]
    known: dict[str, str | None] = {"CLIENT_ID": row["client_id"] or case.incident["client"], "SENT_REDIRECT_URI": sent, "REGISTERED_REDIRECT_URI": worked, "HOST": row["host"], "SCOPE": row["lacking_scope"] or row["refused_scope"]}
    known["APP_HOST"] = _host(worked or sent)
    for step, names in (("token", ("TOKEN_ENDPOINT", "TOKEN_URL")), ("authorization", ("AUTHORIZE",)), ("resource", ("API_URL",))):
        url = next((f"{r['scheme']}://{r['host']}{r['path']}" for r in case.flow if r["step"] == step and r["scheme"] and r["host"]), None)
        known |= dict.fromkeys(names, url)
    if row["step"] not in ("resource", "redirection") and row["host"]:
        known["ISSUER"] = f"{row['scheme'] or 'https'}://{row['host']}"
    return {name: value for name, value in known.items() if value}


def _host(uri: str | None) -> str | None:
    try:
        return urlsplit(uri or "").netloc or None
    except ValueError:
        return None


_COMMAND = re.compile(r"(?:curl|openssl|python3|printf|diff) ")
_EXPECTS = re.compile(r",? (?=(?:shows|prints|answers|no longer|contains|gives|lists|agrees|stays|ends|connects|through) )")


def split_check(check: str) -> Check:
    """A check cut into its command and what that has to show; a sentence alone has no command.

    >>> split_check("curl -sI https://a.test shows 200")
    Check(command='curl -sI https://a.test', expectation='shows 200')
    """
    if not _COMMAND.match(check):
        return Check("", check)
    for found in _EXPECTS.finditer(check):
        before = check[: found.start()]
        if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            return Check(before, check[found.end() :])
    return Check(check, "")


def _sentence(words: str) -> str:
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "…", "?", "!")) else ".") if words else ""


def _position(form: str | None, position: int | None) -> str:
    if position is None:
        return "?"
    capture = (form or "").rpartition(">")[2] in ("har", "mitmproxy", "flow", "mitmproxy-flow")
    return f"entry {position}" if capture else f"line {position}"


def _markdown(detail: Detail, cause: str, sure: str, failure: str) -> str:
    """What goes into a ticket."""
    lines = [f"### {_flat(detail.statement)}", "", f"{' · '.join(_flat(part) for part in detail.meta)} · `{cause}` · {sure}", ""]
    for panel in detail.panels:
        rows = [(line.label, "".join(piece.text for piece in line.pieces)) for line in panel.lines]
        rows += [(use.when, use.answer) for use in panel.uses]
        rows += [(claim.name, claim.found + (f"  (expected {claim.expected})" if claim.expected else "")) for claim in panel.claims]
        if panel.value:
            rows.append((panel.title, panel.value))
        if rows:
            wide = max(len(label) for label, _ in rows)
            lines += ["```text", *(f"{label:<{wide}}  {value}".replace("```", "ʼʼʼ") for label, value in rows), "```", ""]
        if panel.note:
            lines += [_flat(panel.note), ""]
    lines += ["**What to change**", "", *(f"- {who}: {step}" for who, steps in detail.change for step in steps), "", "**How to check**", ""]
    lines += ["```sh", detail.check.command, "```", "", detail.check.expectation] if detail.check.command else [detail.check.expectation]
    lines += ["", "**Why**", "", *(f"- {_flat(sentence)}" for sentence in detail.evidence), "", f"Failure `{failure}`, {', '.join(detail.references)}"]
    return "\n".join(lines)


def _flat(value: str) -> str:
    """Text of a log inside Markdown: what Markdown or HTML would read as syntax is escaped."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", value)


def code_pieces(sentence: str) -> Iterable[tuple[str, bool]]:
    """A sentence cut into (text, is code): parameter names, URLs, headers and fingerprints are code."""
    at = 0
    for found in _CODE.finditer(sentence):
        if found.start() > at:
            yield sentence[at : found.start()], False
        yield found[0], True
        at = found.end()
    if at < len(sentence):
        yield sentence[at:], False


_CODE = re.compile(
    r"\bhttps?://[^\s“”\"'<>]*[^\s“”\"'<>.,;:)]|\b[a-z]+(?:_[a-z0-9]+)+\b(?:=[^\s,;.”]+)?|\b(?:secret|code|token|refresh|state|nonce|session|user|verifier|opaque|device):[0-9a-f]{8}\b"
    r"|\bX-[A-Za-z-]+[A-Za-z]\b|\b(?:WWW-Authenticate|Content-Type|Set-Cookie|SameSite|Retry-After|Cache-Control)\b|\$[A-Z][A-Z_]+"
)


