"""All that is told of one incident: proof, remedy, check, timeline, evidence, what else it could have been, ticket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from oauthtrace.causes import Cause, causes
from oauthtrace.report.around import Case
from oauthtrace.report.curl import command
from oauthtrace.report.model import Check, Detail, Failed, Other
from oauthtrace.report.panel import Panel
from oauthtrace.report.panels import choose
from oauthtrace.report.reproduce import request
from oauthtrace.report.texts import counted, number, percent, plural, text, texts
from oauthtrace.report.timeline import timeline
from oauthtrace.report.words import NAME, Words, badge, sentence

OTHERS = 4
_SENTENCE = 500
_SAFE = re.compile(r"[A-Za-z0-9._~:/@-]+")

Row = dict[str, Any]


def detail(case: Case, failures: list[Failed], words: Words) -> Detail:
    """The detail of an incident by its example, with those of its failures that are listed."""
    row, cause = case.incident, causes()[case.cause]
    total, proved = row["count"] + row["following"], bool(row["proof"])
    every = len(failures) == total
    sent = request(case.row, words.show)
    shown = Detail(
        statement=words.heading(row),
        meta=list(_meta(row, words)),
        meaning=cause.meaning,
        changed=words.changed(row),
        panels=choose(case, words.show, words.clock),
        change=[
            (text(f"readers.{who}"), list(steps)) for who in texts()["readers"] if (steps := getattr(cause.remedy, who))
        ],
        summary=cause.remedy.summary,
        check=_check(cause, case, words),
        timeline=timeline(case, words.show, words.clock, words.server(row)),
        request=sent,
        curl=command(sent) if sent else None,
        proved=proved,
        evidence=[
            *(words.show(line, _SENTENCE) for line in case.row["evidence"] or ()),
            *([rate] if (rate := words.rate(row)) else []),
        ],
        unseen=list(_unseen(case, cause, words, proved=proved)) or [text("sees.complete")],
        others=list(_others(case.row, cause)),
        references=list(cause.references),
        failures=failures,
        failures_title=plural("incident.all", total)
        if every
        else text("incident.some", shown=number(len(failures)), n=number(total)),
        several=row["count"] > 1,
        left_out="" if every else text("incident.left_out", n=number(total - len(failures))),
        markdown="",
    )
    shown.markdown = _markdown(shown, cause.id, badge(row["confidence"], proof=proved).label, case.row["id"])
    return shown


def _meta(row: Row, words: Words) -> Iterator[str]:
    yield counted("failure", row["count"])
    if row["following"]:
        yield plural("incident.following", row["following"])
    yield from words.hit(row)
    if row["first"] is not None:
        since = row["state"] == "going on" and row["onset"] and row["count"] > 1
        yield text("incident.since", since=words.clock.second(row["onset"])) if since else words.when(row)
        if state := words.state(row):
            yield state
    server, host = words.server(row), words.show(row["host"], NAME) if row["host"] else ""
    if row["host"] or row["provider"]:
        yield server if host in ("", server) else f"{server}, {host}"


def _unseen(case: Case, cause: Cause, words: Words, *, proved: bool) -> Iterator[str]:
    seen = set(case.row["sees"] or ())
    formats = words.show(case.row["source_format"], NAME)
    missing = [word for word in ("body", "answer", "location", "query") if word not in seen]
    yield from (text(f"sees.{word}", formats=formats) for word in missing[:2])
    if {"headers", "body"} <= seen and "authorization" not in seen:
        yield text("sees.authorization")
    if cause.family in ("redirect-uri", "scope", "client"):
        yield text("sees.registered")
    if not proved:
        yield text("verdict.capture_next", what=cause.capture_next)


def _others(row: Row, cause: Cause) -> Iterator[Other]:
    differs = dict(cause.lookalikes)
    scored = {other["cause"]: other["confidence"] for other in row["alternatives"] or ()}
    names = [name for name in dict.fromkeys([*scored, *differs]) if name in causes() and name != cause.id]
    for name in names[:OTHERS]:
        share = percent(scored[name]) if name in scored else ""
        yield Other(causes()[name].title, name, share, sentence(differs.get(name, "")))


# --- how to check ---------------------------------------------------------------------------------------------------


def _check(cause: Cause, case: Case, words: Words) -> Check:
    known = {name: words.show(value) for name, value in _known(case).items()}

    def fill(found: re.Match[str]) -> str:
        value = known.get(found[1], "")
        return value if _SAFE.fullmatch(value) else found[0]

    return split_check(re.sub(r"\$([A-Z_]+)", fill, cause.remedy.check))


def _known(case: Case) -> dict[str, str]:
    """Values of the placeholders that a check may have, as far as the flow shows them."""
    row = case.row
    sent, worked = row["redirect_uri"], row["worked_redirect_uri"] or row["authorize_redirect_uri"]
    known: dict[str, str | None] = {
        "CLIENT_ID": row["client_id"] or case.incident["client"],
        "SENT_REDIRECT_URI": sent,
        "REGISTERED_REDIRECT_URI": worked,
        "HOST": row["host"],
        "SCOPE": row["lacking_scope"] or row["refused_scope"],
        "APP_HOST": _host(worked or sent),
    }
    for step, names in (
        ("token", ("TOKEN_ENDPOINT", "TOKEN_URL")),
        ("authorization", ("AUTHORIZE",)),
        ("resource", ("API_URL",)),
    ):
        asked = next((r for r in case.flow if r["step"] == step and r["scheme"] and r["host"]), None)
        known |= dict.fromkeys(names, f"{asked['scheme']}://{asked['host']}{asked['path']}" if asked else None)
    if row["step"] not in ("resource", "redirection") and row["host"]:
        known["ISSUER"] = f"{row['scheme'] or 'https'}://{row['host']}"
    return {name: value for name, value in known.items() if value}


def _host(uri: str | None) -> str | None:
    try:
        return urlsplit(uri or "").netloc or None
    except ValueError:
        return None


_COMMAND = re.compile(r"(?:curl|openssl|python3|printf|diff) ")
_EXPECTS = re.compile(
    r",? (?=(?:shows|prints?|answers|no longer|contains|gives|lists|agrees|stays|ends|connects|through) )"
)


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
            before = before.replace(" and printf ", "\nprintf ")
            return Check(before, check[found.end() :])
    return Check(check, "")


# --- for the ticket -------------------------------------------------------------------------------------------------


def _markdown(shown: Detail, cause: str, sure: str, failure: str) -> str:
    meta = " · ".join(_flat(part) for part in shown.meta)
    lines = [f"### {_flat(shown.statement)}", "", f"{meta} · `{cause}` · {sure}", ""]
    for panel in shown.panels:
        lines += _panel_lines(panel)
    lines += ["**What to change**", "", *(f"- {who}: {step}" for who, steps in shown.change for step in steps), ""]
    check = shown.check
    lines += [
        "**How to check**",
        "",
        *(["```sh", check.command, "```", ""] if check.command else []),
        check.expectation,
    ]
    lines += ["", "**Why**", "", *(f"- {_flat(line)}" for line in shown.evidence)]
    lines += ["", f"Failure `{failure}`, {', '.join(shown.references)}"]
    return "\n".join(lines)


def _panel_lines(panel: Panel) -> Iterator[str]:
    rows = [(line.label, "".join(piece.text for piece in line.pieces)) for line in panel.lines]
    rows += [(use.when, use.answer) for use in panel.uses]
    rows += [(claim.name, claim.found + (f"  ({claim.expected})" if claim.expected else "")) for claim in panel.claims]
    if panel.value:
        rows.append((panel.title, panel.value))
    if rows:
        wide = max(len(label) for label, _ in rows)
        yield from ("```text", *(f"{label:<{wide}}  {value}".replace("```", "'''") for label, value in rows), "```", "")
    if panel.note:
        yield from (_flat(panel.note), "")


def _flat(value: str) -> str:
    """Text of a log inside Markdown: what Markdown or HTML would read as syntax is escaped."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", value)
