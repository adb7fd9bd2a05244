"""The comparison that proves a cause. One entry of :data:`PANELS` and one template in ``templates/panels/`` is one panel.

A panel is built from the context columns that are not null; where nothing is to be compared, the builder gives None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from oauthtrace.correlate import BROKEN_ANSWERS
from oauthtrace.evidence import duration
from oauthtrace.oauth.endpoints import MACHINE_STEPS
from oauthtrace.report.around import Case
from oauthtrace.report.panel import VALUE, WORD, Line, Panel, Piece, Use, compare
from oauthtrace.report.texts import text
from oauthtrace.report.times import Clock
from oauthtrace.report.tokens import claims, clocks, scopes
from oauthtrace.report.visible import Show

MOST_PANELS = 2
_QUOTE = 600


Row = dict[str, Any]
Builder = Callable[[Case, Show, Clock], Panel | None]


def choose(case: Case, show: Show, clock: Clock) -> list[Panel]:
    """The panels of a failure: the one that fits its cause first, then others that show a contradiction."""
    built = [(any(case.cause.startswith(c) for c in causes), build(case, show, clock)) for causes, build in PANELS]
    fitting = [panel for fits, panel in built if panel and fits]
    telling = [panel for panel in fitting if panel.telling]
    if telling and case.row["proof"]:
        return telling[:1]
    others = [panel for fits, panel in built if panel and not fits and panel.telling]
    chosen = [*telling, *others, *[panel for panel in fitting if not panel.telling]]
    return chosen[:MOST_PANELS] or [told(case, show, clock)]


# --- redirect URI, PKCE, secret -------------------------------------------------------------------------------------


def redirect(case: Case, show: Show, clock: Clock) -> Panel | None:
    """Two redirect URIs one above the other."""
    row, title = case.row, text("panel.redirect.title")
    pairs = (
        ("redirect_vs_authorize", "authorize_redirect_uri", "panel.redirect.token", "panel.redirect.authorize"),
        ("redirect_vs_worked", "worked_redirect_uri", "panel.redirect.sent", "panel.redirect.worked"),
        ("redirect_vs_delivered", "delivered_redirect_uri", "panel.redirect.sent", "panel.redirect.delivered"),
    )
    if case.cause != "redirect-uri/token-request-differs":
        pairs = (*pairs[1:], pairs[0])
    for column, other, sent_label, other_label in pairs:
        kind = row[column]
        if kind == "absent":
            lines = [
                Line(text(other_label), [Piece(show(row[other], VALUE))]),
                Line(text(sent_label), [Piece(text("panel.redirect.absent"), differs=True)], failing=True),
            ]
            return Panel("compare", title, text("panel.redirect.none"), telling=True, lines=lines)
        if kind and kind != "equal":
            sent, expected = compare(row["redirect_uri"], row[other], show)
            labels = _since(case, clock) if other_label.endswith("worked") else (text(sent_label), text(other_label))
            lines = [Line(labels[0], sent, failing=True), Line(labels[1], expected)]
            return Panel("compare", title, text(f"panel.redirect.{kind}"), telling=True, lines=lines)
    if not row["redirect_uri"] and case.cause == "redirect-uri/missing" and case.worked and case.worked["redirect_uri"]:
        absent = Line(text("panel.redirect.sent"), [Piece(text("panel.redirect.absent"), differs=True)], failing=True)
        worked = Line(text("panel.redirect.worked"), [Piece(show(case.worked["redirect_uri"], VALUE))])
        return Panel("compare", title, text("panel.redirect.missing"), telling=True, lines=[absent, worked])
    if row["redirect_uri"] and case.family == "redirect-uri":
        return Panel(
            "compare",
            title,
            text("panel.redirect.only"),
            lines=[Line(text("panel.redirect.sent"), [Piece(show(row["redirect_uri"], VALUE))], failing=True)],
        )
    return None


def _since(case: Case, clock: Clock) -> tuple[str, str]:
    changed = any(change["parameter"] == "redirect_uri" for change in case.incident["changed"] or ())
    until = case.incident["worked_before"]
    if changed and until and case.incident["onset"] and case.incident["count"] > 1:
        return text("panel.redirect.sent_since", at=clock(case.incident["onset"])), text(
            "panel.redirect.worked_until", at=clock(until)
        )
    return text("panel.redirect.sent"), text("panel.redirect.worked")


def pkce(case: Case, show: Show, _clock: Clock) -> Panel | None:
    """Challenge and the verifier's hash."""
    row, kind = case.row, case.row["pkce"]
    if kind is None or kind == "match":
        return None
    challenge, verifier = row["authorize_challenge"], row["verifier_s256"]
    absent = [Piece(text("panel.pkce.absent"), differs=True)]
    if challenge and verifier and kind == "mismatch":
        # two hashes differ everywhere: marking chance agreements would mislead
        first, second = [Piece(show(challenge, 80), differs=True)], [Piece(show(verifier, 80), differs=True)]
    else:
        first = [Piece(show(challenge, 80))] if challenge else absent
        second = [Piece(show(verifier, 80))] if verifier else absent
    lines = [Line(text("panel.pkce.challenge"), first), Line(text("panel.pkce.verifier"), second, failing=True)]
    return Panel("compare", text("panel.pkce.title"), text(f"panel.pkce.{kind}"), telling=True, lines=lines)


def secret(case: Case, show: Show, clock: Clock) -> Panel | None:
    """Fingerprint of the secret and authentication method, now and at the last success."""
    row, worked = case.row, case.worked
    differs, method = row["secret_vs_worked"], row["method_vs_worked"]
    if row["auth_method"] is None and row["secret_fp"] is None:
        return None
    now = _credentials(row, show)
    label = text("panel.secret.now", at=clock(row["time"]))
    if worked is None or not (differs or method):
        return Panel(
            "compare", text("panel.secret.title"), text("panel.secret.unknown"), lines=[Line(label, now, failing=True)]
        )
    then = _credentials(worked, show)
    now = [Piece(a.text, a.text != b.text) for a, b in zip(now, then, strict=True)]
    then = [Piece(b.text, a.differs) for a, b in zip(now, then, strict=True)]
    note = text(f"panel.secret.{'differs' if differs == 'differs' else 'method' if method else 'same'}")
    lines = [Line(label, now, failing=True), Line(text("panel.secret.worked", at=clock(worked["time"])), then)]
    return Panel("compare", text("panel.secret.title"), note, telling=differs == "differs" or bool(method), lines=lines)


def _credentials(row: Row, show: Show) -> list[Piece]:
    length = f" ({text('panel.secret.length', n=row['secret_length'])})" if row["secret_length"] else ""
    mark = show(row["secret_fp"], WORD) if row["secret_fp"] else text("panel.secret.secret_unknown")
    method = row["auth_method"] or "?"
    if method == "none":
        mark, length = text("panel.secret.none"), ""
    return [Piece(mark + length), Piece(", "), Piece(show(method, WORD))]


# --- ages and uses --------------------------------------------------------------------------------------------------


def lifetime(case: Case, _show: Show, clock: Clock) -> Panel | None:
    """Issued, end of the lifetime and use on one line, to scale."""
    found = _age(case.row)
    if found is None:
        return None
    what, age, life, telling = found
    whole = max(age, life or 0) or 1
    said = {"age": duration(age), "life": duration(life or 0), "by": duration(age - (life or 0))}
    used = f"{text('panel.lifetime.used')} {clock.exact(case.row['time'])}"
    return Panel(
        "lifetime",
        text("panel.lifetime.title"),
        text(f"panel.lifetime.{what}" if life else "panel.lifetime.code_unknown", **said),
        telling=telling,
        life=100 * life / whole if life else None,
        age=100 * age / whole,
        labels=(
            text("panel.lifetime.issued"),
            f"{text('panel.lifetime.ends')}, {said['life']}",
            f"{used}, {text('panel.lifetime.age', age=said['age'])}",
        ),
    )


def _age(row: Row) -> tuple[str, float, float | None, bool] | None:
    """What is too old, its age and lifetime in seconds, and whether it is."""
    if row["code_age_s"] is not None and row["step"] == "token":
        return "code", row["code_age_s"], row["code_lifetime_s"] or row.get("accepted_age_s"), bool(row["code_too_old"])
    age, life = row["refresh_age_s"], row["refresh_lifetime_s"]
    if age is not None and life is not None:
        return "refresh", age, life, age > life
    by, age = row["token_expired_by_s"], row["token_age_s"]
    life = row["jwt_exp"] - row["jwt_iat"] if row["jwt_exp"] is not None and row["jwt_iat"] is not None else 0
    if age is not None and by is not None and age > by:
        life = age - by
    return ("token", life + by, life, True) if by is not None and life > 0 else None


def uses(case: Case, show: Show, clock: Clock) -> Panel | None:
    """The same code or refresh token, sent more than once."""
    if len(case.uses) < 2:
        return None
    code, refresh = case.row["code_fp"], case.row["refresh_token_fp"]
    listed = [_use(use, case.uses[0], show, clock) for use in case.uses]
    note = text("panel.uses.code" if code else "panel.uses.refresh", n=len(listed))
    title = text("panel.uses.title")
    return Panel("uses", title, note, telling=True, uses=listed, value=show(code or refresh, WORD))


def _use(use: Row, first: Row, show: Show, clock: Clock) -> Use:
    later = (use["time"] - first["time"]).total_seconds() if use["time"] and first["time"] else 0
    rotated = use["refresh_token_fp"] and use["issued_refresh_fp"] not in (None, use["refresh_token_fp"])
    outcome = "refused" if use["failed"] else "rotated" if rotated else "worked"
    return Use(
        clock.exact(use["time"]),
        text("panel.uses.after", ago=duration(later)) if later else "",
        show(use["client_id"] or use["client_address"] or "?", WORD),
        text(f"panel.uses.{outcome}", answer=_answer(use, show)),
        bool(use["failed"]),
    )


def _answer(row: Row, show: Show) -> str:
    words = [
        str(row["status"]) if row["status"] else show(row["transport_error"] or text("timeline.no_answer"), WORD),
        show(row["error"], WORD) if row["error"] else "",
    ]
    return " ".join(word for word in words if word)


# --- the answer, and what separates ---------------------------------------------------------------------------------


def answer(case: Case, show: Show, _clock: Clock) -> Panel | None:
    """What came back against what should have."""
    row = case.row
    if row["step"] == "event" or (row["status"] is None and not row["transport_error"]):
        return None
    if row["status"] is None:
        came = text("panel.answer.nothing", why=show(row["transport_error"], VALUE))
    else:
        kind, server = show(row["answer_type"] or "", WORD), row["server_header"]
        came = (
            text("panel.answer.from", status=row["status"], type=kind, server=show(server, WORD))
            if server
            else text("panel.answer.plain", status=row["status"], type=kind)
        )
    facts = [fact for fact in row["facts"] or () if fact in BROKEN_ANSWERS]
    came = text("panel.answer.but", came=came.strip(), what=show(", ".join(facts), VALUE)) if facts else came
    should = text(
        "panel.answer.token"
        if row["step"] == "token"
        else "panel.answer.json"
        if row["step"] in MACHINE_STEPS
        else "panel.answer.redirect"
        if row["step"] == "authorization"
        else "panel.answer.any"
    )
    lines = [
        Line(text("panel.answer.came"), [Piece(came.strip(), differs=True)], failing=True),
        Line(text("panel.answer.should"), [Piece(should)]),
    ]
    return Panel("compare", text("panel.answer.title"), "", telling=case.family == "server", lines=lines)


def separates(case: Case, show: Show, _clock: Clock) -> Panel | None:
    """A parameter whose value only failing requests carry."""
    row, worked = case.row, case.worked
    for parameter in row["only_in_failures"] or ():
        now, then = row.get(parameter), (worked or {}).get(parameter)
        if now and then and now != then and parameter != "redirect_uri":
            sent, expected = compare(str(now), str(then), show)
            lines = [
                Line(text("panel.separates.failing"), sent, failing=True),
                Line(text("panel.separates.working"), expected),
            ]
            return Panel(
                "compare",
                f"{text('panel.separates.title')}: {parameter.removesuffix('_fp')}",
                text("panel.separates.note"),
                telling=True,
                lines=lines,
            )
    return None


def handed(case: Case, show: Show, _clock: Clock) -> Panel | None:
    """The value that was handed out in this flow against the one that came back."""
    kind = next((name for cause, name in _HANDED.items() if case.cause.startswith(cause)), None)
    if kind is None:
        return None
    out_column, back_column = _COLUMNS[kind]
    before = [row[out_column] for row in case.flow if row[out_column] and row["n"] < case.row["n"]]
    out, back = before[-1] if before else None, case.row[back_column]
    if not back and kind == "nonce":
        back = next((row[back_column] for row in reversed(case.flow) if row[back_column]), None)
    if not back or _value(out) == _value(back):
        return None
    missing = text("panel.handed.none")
    lines = [
        Line(text(f"panel.handed.{kind}_out"), [Piece(show(out, WORD) if out else missing, differs=True)]),
        Line(text(f"panel.handed.{kind}_back"), [Piece(show(back, WORD), differs=True)], failing=True),
    ]
    note = text("panel.handed.note" if out else "panel.handed.other_flow")
    return Panel("compare", text("panel.handed.title"), note, telling=True, lines=lines)


_HANDED = {
    "grant/code-invalid": "code",
    "grant/refresh-": "refresh",
    "grant/access-token-invalid": "token",
    "binding/state": "state",
    "binding/nonce": "nonce",
}
_COLUMNS = {
    "code": ("issued_code_fp", "code_fp"),
    "refresh": ("issued_refresh_fp", "refresh_token_fp"),
    "token": ("issued_token_fp", "token_fp"),
    "state": ("state_fp", "state_fp"),
    "nonce": ("nonce_fp", "issued_nonce_fp"),
}


def _value(mark: str | None) -> str:
    """The fingerprint without its kind: the same value has the same one whatever it was used as."""
    return (mark or "").rpartition(":")[2]


def told(case: Case, show: Show, clock: Clock) -> Panel:
    """What proves it in a sentence, when there is nothing to lay side by side; else what the server says."""
    evidence = case.row["evidence"]
    if case.row["proof"] and evidence and not evidence[0].startswith(("The server says", "The log says")):
        return Panel("told", text("panel.told.title"), show(case.row["evidence"][0], _QUOTE))
    return said(case, show, clock)


def said(case: Case, show: Show, _clock: Clock) -> Panel:
    """The server's own words, when there is nothing to compare."""
    row = case.row
    words: Iterable[str | None] = (
        row["error"],
        row["error_code"],
        row["error_description"] or row["message"],
        row["challenge"],
        row["transport_error"],
    )
    quote = show(" · ".join(dict.fromkeys(word for word in words if word)), _QUOTE) or text("panel.said.nothing")
    note = text("panel.said.status", status=row["status"]) if row["status"] else ""
    return Panel("said", text("panel.said.title"), note, value=quote)


PANELS: tuple[tuple[tuple[str, ...], Builder], ...] = (
    (("redirect-uri/",), redirect),
    (("binding/pkce",), pkce),
    (("client/wrong-secret", "client/expired-secret", "client/auth-method", "client/missing-credentials"), secret),
    (("grant/code-reused", "grant/refresh-reused"), uses),
    (("grant/code-expired", "grant/access-token-expired", "grant/refresh-expired"), lifetime),
    (tuple(_HANDED), handed),
    (("scope/",), scopes),
    (
        (
            "grant/wrong-audience",
            "grant/access-token",
            "scope/audience",
            "client/assertion",
            "server/algorithm",
            "server/clock-skew",
            "server/metadata",
        ),
        claims,
    ),
    (("server/clock-skew",), clocks),
    (("server/", "request/content-type", "request/method"), answer),
    ((), separates),
)
"""(causes it proves, by their beginning; builder). Order is preference."""
