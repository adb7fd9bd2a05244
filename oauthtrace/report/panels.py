"""The comparison that proves a cause. One entry of :data:`PANELS` and one template in ``templates/panels/`` is one panel.

A panel is built from the context columns that are not null; where nothing is to be compared, the builder gives None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from oauthtrace.correlate import BROKEN_ANSWERS, MACHINE_STEPS
from oauthtrace.evidence import duration
from oauthtrace.oauth.redirect_uri import marks
from oauthtrace.report.around import Case
from oauthtrace.report.texts import counted, text
from oauthtrace.report.times import Clock
from oauthtrace.report.visible import Show

MOST_PANELS = 2
_VALUE, _WORD, _QUOTE = 300, 60, 600
_ISLAND = 3
"""Equal stretches shorter than this between two differences are marked with them."""
_CONTEXT = 60


class Piece(NamedTuple):
    """A stretch of a value: whether it differs, and how many characters it lacks against the other value."""

    text: str
    differs: bool = False
    gap: int = 0


class Line(NamedTuple):
    """One of several values that stand one above the other."""

    label: str
    pieces: list[Piece]
    failing: bool = False


class Use(NamedTuple):
    """One time at which a value was presented."""

    when: str
    later: str
    who: str
    answer: str
    failing: bool


class Claim(NamedTuple):
    """One claim of a token: what it says, what was expected, whether that is wrong."""

    name: str
    found: str
    expected: str
    wrong: bool


@dataclass(slots=True)
class Panel:
    """What a panel's template is given. Which members are filled depends on its kind.

    Attributes:
        kind: name of the template.
        title: its heading.
        note: the sentence that says what the comparison shows.
        telling: whether it shows a contradiction.
    """

    kind: str
    title: str
    note: str
    telling: bool = False
    lines: list[Line] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    value: str = ""
    claims: list[Claim] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[bool | None], bool]] = field(default_factory=list)
    life: float | None = None
    age: float = 0.0
    labels: tuple[str, str, str] = ("", "", "")


Builder = Callable[[Case, Show, Clock], Panel | None]


def choose(case: Case, show: Show, clock: Clock) -> list[Panel]:
    """The panels of a failure: the one that fits its cause first, then others that show a contradiction."""
    built = [(any(case.cause.startswith(c) for c in causes), build(case, show, clock)) for causes, build in PANELS]
    fitting = [panel for fits, panel in built if panel and fits]
    fitting.sort(key=lambda panel: not panel.telling)
    others = [panel for fits, panel in built if panel and not fits and panel.telling]
    if fitting and fitting[0].telling:
        others = [panel for panel in others if panel.kind == "compare" and not _repeats(panel, fitting)][:0 if case.row["proof"] else 1]
    chosen = [*[panel for panel in fitting if panel.telling], *others, *[panel for panel in fitting if not panel.telling]][:MOST_PANELS]
    return chosen or [said(case, show, clock)]


def _repeats(panel: Panel, shown: list[Panel]) -> bool:
    values = {piece.text for one in shown for line in one.lines for piece in line.pieces}
    return any(piece.text in values for line in panel.lines for piece in line.pieces)


def compare(first: str, second: str, show: Show) -> tuple[list[Piece], list[Piece]]:
    """Two values cut into pieces, aligned: where one lacks characters it has a gap as wide as the other's piece.

    >>> compare("http://a.test", "https://a.test", lambda value, most: value)[0][:2]
    [Piece(text='http', differs=False, gap=0), Piece(text='', differs=True, gap=1)]
    """
    first, second = _window(first, second)
    left, right = marks(show(first, _VALUE), show(second, _VALUE))
    blocks: list[tuple[str, str, bool]] = []
    for (a, differs), (b, _) in zip(left, right, strict=True):
        island = not differs and len(a) < _ISLAND and blocks and blocks[-1][2]
        if blocks and blocks[-1][2] and (differs or island):
            blocks[-1] = (blocks[-1][0] + a, blocks[-1][1] + b, True)
        else:
            blocks.append((a, b, differs))
    one = [Piece(_seen(a, d), d, max(len(b) - len(a), 0) if d else 0) for a, b, d in blocks]
    other = [Piece(_seen(b, d), d, max(len(a) - len(b), 0) if d else 0) for a, b, d in blocks]
    return one, other


def _seen(value: str, differs: bool) -> str:  # noqa: FBT001 - as the pieces have it
    return value.replace(" ", "␠") if differs else value


def _window(first: str, second: str) -> tuple[str, str]:
    """Long values from shortly before their first difference on."""
    if max(len(first), len(second)) <= _VALUE:
        return first, second
    same = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))
    start = max(same - _CONTEXT, 0)
    return ("…" + first[start:], "…" + second[start:]) if start else (first, second)


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
            lines = [Line(text(other_label), [Piece(show(row[other], _VALUE))]), Line(text(sent_label), [Piece(text("panel.redirect.absent"), differs=True)], failing=True)]
            return Panel("compare", title, text("panel.redirect.none"), telling=True, lines=lines)
        if kind and kind != "equal":
            sent, expected = compare(row["redirect_uri"], row[other], show)
            labels = _since(case, clock) if other_label.endswith("worked") else (text(sent_label), text(other_label))
            lines = [Line(labels[0], sent, failing=True), Line(labels[1], expected)]
            return Panel("compare", title, text(f"panel.redirect.{kind}"), telling=True, lines=lines)
    if row["redirect_uri"] and case.family == "redirect-uri":
        return Panel("compare", title, text("panel.redirect.only"), lines=[Line(text("panel.redirect.sent"), [Piece(show(row["redirect_uri"], _VALUE))], failing=True)])
    return None


def _since(case: Case, clock: Clock) -> tuple[str, str]:
    changed = any(change["parameter"] == "redirect_uri" for change in case.incident["changed"] or ())
    until = case.incident["worked_before"]
    if changed and until and case.incident["onset"] and case.incident["count"] > 1:
        return text("panel.redirect.sent_since", at=clock(case.incident["onset"])), text("panel.redirect.worked_until", at=clock(until))
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
    if worked is None or not (differs or method):
        then, note, telling = [Piece(text("panel.secret.unknown"))], "", False
        label = text("panel.redirect.worked")
    else:
        then = _credentials(worked, show)
        now = [Piece(a.text, a.text != b.text) for a, b in zip(now, then, strict=True)]
        then = [Piece(b.text, a.differs) for a, b in zip(now, then, strict=True)]
        note = text("panel.secret.differs") if differs == "differs" else text("panel.secret.method") if method else text("panel.secret.same")
        telling, label = differs == "differs" or bool(method), text("panel.secret.worked", at=clock(worked["time"]))
    lines = [Line(text("panel.secret.now", at=clock(row["time"])), now, failing=True), Line(label, then)]
    return Panel("compare", text("panel.secret.title"), note, telling=telling, lines=lines)


def _credentials(row: dict[str, Any], show: Show) -> list[Piece]:
    length = f" ({text('panel.secret.length', n=row['secret_length'])})" if row["secret_length"] else ""
    mark = show(row["secret_fp"], _WORD) if row["secret_fp"] else text("panel.secret.secret_unknown")
    method = row["auth_method"] or "?"
    if method == "none":
        mark, length = text("panel.secret.none"), ""
    return [Piece(mark + length), Piece(", "), Piece(show(method, _WORD))]


# --- ages and uses --------------------------------------------------------------------------------------------------


def lifetime(case: Case, _show: Show, clock: Clock) -> Panel | None:
    """Issued, end of the lifetime and use on one line, to scale."""
    row = case.row
    if row["code_age_s"] is not None and row["step"] == "token":
        age, life = row["code_age_s"], row["code_lifetime_s"] or row.get("accepted_age_s")
        note = text("panel.lifetime.code", age=duration(age), life=duration(life)) if life else text("panel.lifetime.code_unknown", age=duration(age))
        return _lifetime(age, life, note, clock, row, telling=bool(row["code_too_old"]))
    if row["token_expired_by_s"] is not None:
        by = row["token_expired_by_s"]
        age = row["token_age_s"]
        life = age - by if age is not None and age > by else row["jwt_exp"] - row["jwt_iat"] if row["jwt_exp"] and row["jwt_iat"] and row["jwt_exp"] > row["jwt_iat"] else None
        if life:
            return _lifetime(life + by, life, text("panel.lifetime.token", by=duration(by)), clock, row, telling=bool(row["token_expired"]))
    return None


def _lifetime(age: float, life: float | None, note: str, clock: Clock, row: dict[str, Any], *, telling: bool) -> Panel:
    whole = max(age, life or 0) or 1
    labels = (text("panel.lifetime.issued"), f"{text('panel.lifetime.ends')}, {duration(life)}" if life else "", f"{text('panel.lifetime.used')} {clock.exact(row['time'])}, {text('panel.lifetime.age', age=duration(age))}")
    return Panel("lifetime", text("panel.lifetime.title"), note, telling=telling, life=100 * life / whole if life else None, age=100 * age / whole, labels=labels)


def uses(case: Case, show: Show, clock: Clock) -> Panel | None:
    """The same code or refresh token, sent more than once."""
    if len(case.uses) < 2:
        return None
    first = case.uses[0]
    listed = []
    for use in case.uses:
        later = (use["time"] - first["time"]).total_seconds() if use["time"] and first["time"] else None
        accepted = text("panel.uses.worked") + (f", {text('panel.uses.rotated')}" if use["issued_refresh_fp"] and use["issued_refresh_fp"] != use["refresh_token_fp"] else "")
        answer = f"{text('panel.uses.refused')}: {_answer(use, show)}" if use["failed"] else f"{accepted} ({_answer(use, show)})"
        who = show(use["client_id"] or use["client_address"] or "?", _WORD)
        listed.append(Use(clock.exact(use["time"]), text("panel.uses.after", ago=duration(later)) if later else "", who, answer, bool(use["failed"])))
    kind = "code" if case.row["code_fp"] else "refresh"
    value = show(case.row["code_fp"] or case.row["refresh_token_fp"], _WORD)
    note = text(f"panel.uses.{kind}", n=len(listed))
    return Panel("uses", text("panel.uses.title"), note, telling=True, uses=listed, value=value)


def _answer(row: dict[str, Any], show: Show) -> str:
    words = [str(row["status"]) if row["status"] else show(row["transport_error"] or text("timeline.no_answer"), _WORD), show(row["error"], _WORD) if row["error"] else ""]
    return " ".join(word for word in words if word)


# --- scopes and tokens ----------------------------------------------------------------------------------------------


def scopes(case: Case, show: Show, _clock: Clock) -> Panel | None:
    """Which scope was asked for, granted, held and demanded."""
    row = case.row
    asked = _words(row["scope"]) or next((w for r in case.flow if (w := _words(r["scope"]))), None)
    granted = next((w for r in reversed(case.flow) if (w := _words(r["granted_scope"]))), None)
    refused = _words(row["refused_scope"])
    columns: list[tuple[str, list[str] | None]] = [
        ("asked", asked),
        ("allowed", [w for w in asked or () if w not in refused] if refused else None),
        ("granted", granted),
        ("held", _words(row["jwt_scope"])),
        ("demanded", _words(row["demanded_scope"])),
    ]
    known = [(name, words) for name, words in columns if words is not None]
    every = list(dict.fromkeys(word for _, words in known for word in words))[:30]
    if not every:
        return None
    wrong = set(_words(row["lacking_scope"]) or refused or ())
    rows = [(show(word, _WORD), [word in words for _, words in known], word in wrong) for word in every]
    rows.sort(key=lambda r: not r[2])
    named = show(" ".join(sorted(wrong)), _VALUE)
    note = text("panel.scopes.lacking", scope=named) if row["lacking_scope"] else text("panel.scopes.refused", scope=named) if wrong else text("panel.scopes.plain")
    return Panel("scopes", text("panel.scopes.title"), note, telling=bool(wrong), columns=[text(f"panel.scopes.{n}") for n, _ in known], rows=rows)


def _words(value: str | None) -> list[str] | None:
    return value.split() if value else None


def claims(case: Case, show: Show, clock: Clock) -> Panel | None:
    """Claims of the token presented against what is expected of them."""
    row, worked = case.row, case.worked or {}
    if row["jwt_use"] is None:
        return None
    now = row["server_time"] or row["time"]
    at_server = text("panel.claims.now", now=clock.exact(now)) if now else ""
    audience = worked.get("jwt_aud") or (f"{row['scheme'] or 'https'}://{row['host']}" if case.cause == "grant/wrong-audience" and row["host"] else "")
    timed = row["jwt_time"]
    listed = [
        ("aud", row["jwt_aud"], audience, case.cause == "grant/wrong-audience" or bool(audience and audience != row["jwt_aud"])),
        ("iss", row["jwt_iss"], worked.get("jwt_iss") or "", bool(row["issuer_differs"])),
        ("azp", row["jwt_azp"], "", False),
        ("alg", row["jwt_alg"], worked.get("jwt_alg") or "", bool(row["alg_unexpected"])),
        ("kid", row["jwt_kid"], worked.get("jwt_kid") or "", bool(row["kid_unknown"])),
        ("exp", _moment(row["jwt_exp"], clock), at_server, timed == "expired"),
        ("nbf", _moment(row["jwt_nbf"], clock), at_server, timed == "not yet valid"),
        ("iat", _moment(row["jwt_iat"], clock), at_server, timed in ("issued in the future", "stale")),
    ]
    found = [Claim(text(f"panel.claims.{name}"), show(value, _VALUE), show(expected, _VALUE), wrong) for name, value, expected, wrong in listed if value]
    if not found:
        return None
    found.sort(key=lambda claim: not claim.wrong)
    wrong = any(claim.wrong for claim in found)
    return Panel("claims", text("panel.claims.title"), text("panel.claims.wrong" if wrong else "panel.claims.as_read"), telling=wrong, claims=found)


def _moment(epoch: float | None, clock: Clock) -> str:
    if epoch is None:
        return ""
    try:
        return clock.exact(datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None))
    except (OverflowError, OSError, ValueError):
        return f"{epoch:g}"


def clocks(case: Case, _show: Show, clock: Clock) -> Panel | None:
    """The server's Date against the time of capture."""
    row, off = case.row, case.row["clock_off_s"]
    if off is None or not row["server_time"] or abs(off) < 5:
        return None
    lines = [
        Line(text("panel.clock.capture"), [Piece(clock.exact(row["time"]))]),
        Line(text("panel.clock.server"), [Piece(clock.exact(row["server_time"]), differs=True)], failing=True),
    ]
    note = text("panel.clock.off", off=duration(off), direction=text("read.ahead" if off > 0 else "read.behind"))
    return Panel("compare", text("panel.clock.title"), note, telling=case.cause == "server/clock-skew" or abs(off) > 60, lines=lines)


# --- the answer, and what separates ---------------------------------------------------------------------------------


def answer(case: Case, show: Show, _clock: Clock) -> Panel | None:
    """What came back against what should have."""
    row = case.row
    if row["step"] == "event" or (row["status"] is None and not row["transport_error"]):
        return None
    if row["status"] is None:
        came = text("panel.answer.nothing", why=show(row["transport_error"], _VALUE))
    else:
        kind, server = show(row["answer_type"] or "", _WORD), row["server_header"]
        came = text("panel.answer.from", status=row["status"], type=kind, server=show(server, _WORD)) if server else text("panel.answer.plain", status=row["status"], type=kind)
    should = text("panel.answer.json" if row["step"] in MACHINE_STEPS else "panel.answer.redirect" if row["step"] == "authorization" else "panel.answer.any")
    lines = [Line(text("panel.answer.came"), [Piece(came.strip(), differs=True)], failing=True), Line(text("panel.answer.should"), [Piece(should)])]
    facts = [fact for fact in row["facts"] or () if fact in BROKEN_ANSWERS]
    return Panel("compare", text("panel.answer.title"), show("; ".join(facts).capitalize(), _VALUE), telling=case.family == "server", lines=lines)


def separates(case: Case, show: Show, _clock: Clock) -> Panel | None:
    """A parameter whose value only failing requests carry."""
    row, worked = case.row, case.worked
    for parameter in row["only_in_failures"] or ():
        now, then = row.get(parameter), (worked or {}).get(parameter)
        if now and then and now != then and parameter != "redirect_uri":
            sent, expected = compare(str(now), str(then), show)
            lines = [Line(text("panel.separates.failing"), sent, failing=True), Line(text("panel.separates.working"), expected)]
            return Panel("compare", f"{text('panel.separates.title')}: {parameter.removesuffix('_fp')}", text("panel.separates.note"), telling=True, lines=lines)
    return None


def said(case: Case, show: Show, _clock: Clock) -> Panel:
    """The server's own words, when there is nothing to compare."""
    row = case.row
    words: Iterable[str | None] = (row["error"], row["error_code"], row["error_description"] or row["message"], row["challenge"], row["transport_error"])
    quote = show(" · ".join(dict.fromkeys(word for word in words if word)), _QUOTE) or text("panel.said.nothing")
    note = text("panel.said.status", status=row["status"]) if row["status"] else ""
    return Panel("said", text("panel.said.title"), note, value=quote)


PANELS: tuple[tuple[tuple[str, ...], Builder], ...] = (
    (("redirect-uri/",), redirect),
    (("binding/pkce",), pkce),
    (("client/wrong-secret", "client/expired-secret", "client/auth-method", "client/missing-credentials"), secret),
    (("grant/code-reused", "grant/refresh-reused"), uses),
    (("grant/code-expired", "grant/access-token-expired"), lifetime),
    (("scope/",), scopes),
    (("grant/wrong-audience", "grant/access-token", "scope/audience", "client/assertion", "server/algorithm", "server/clock-skew", "server/metadata"), claims),
    (("server/clock-skew",), clocks),
    (("server/", "request/content-type", "request/method"), answer),
    ((), separates),
)
"""(causes it proves, by their beginning; builder). Order is preference."""
