"""One flow as swim lanes: who asked whom, when, and what mattered; and the same as a Mermaid sequence diagram."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from oauthtrace.evidence import duration
from oauthtrace.report.around import Case
from oauthtrace.report.texts import text
from oauthtrace.report.times import Clock
from oauthtrace.report.visible import Show

Row = dict[str, Any]
WIDTH, LEFT, TOP, FOOT = 960, 84, 52, 18
STEPS_BEFORE, STEPS_AFTER = 8, 3
_NEAR, _FAR, _ANSWER = 46, 92, 34
"""Least and most units between two steps, and from a failing request to its answer."""
_CHARACTER = 6.5
_LANES = ("browser", "app", "gateway", "server", "api")
_GATEWAYS = ("nginx", "apache", "haproxy", "envoy", "traefik", "caddy", "kong", "squid", "varnish", "alb", "aws-", "apigee")
_MINOR = ("metadata", "jwks", "event")


class Lane(NamedTuple):
    """One party."""

    key: str
    name: str
    detail: str
    x: float
    anchor: str


@dataclass(slots=True)
class Step:
    """One exchange in the drawing. ``fold`` is the pause before it when that is not to scale."""

    y: float
    time: str
    start: Lane
    end: Lane
    label: str
    answer: str
    detail: str
    failed: bool
    main: bool
    fold: str = ""
    fold_y: float = 0.0

    @property
    def left(self) -> float:
        """Where its texts begin."""
        return min(self.start.x, self.end.x) + 9

    @property
    def to(self) -> float:
        """Where the arrow's shaft ends."""
        return self.end.x + (7 if self.end.x < self.start.x else -7)

    @property
    def back(self) -> float:
        """Where the answer's shaft ends."""
        return self.start.x + (7 if self.start.x < self.end.x else -7)

    @property
    def note(self) -> bool:
        """Whether it is an entry of a log, which goes from nobody to nobody."""
        return self.start.key == self.end.key

    @property
    def answer_y(self) -> float:
        """Where the answer of the failing step is drawn."""
        return self.y + _ANSWER

    @property
    def summary(self) -> str:
        """The step as a sentence."""
        if self.note:
            return f"{self.time}: {self.end.name} {self.label}"
        return f"{self.time}: {self.start.name} → {self.end.name}, {self.label}"


@dataclass(slots=True)
class Timeline:
    """All that the drawing needs."""

    width: int
    height: float
    lanes: list[Lane]
    steps: list[Step]
    left_out: str
    summary: str
    mermaid: str


def timeline(case: Case, show: Show, clock: Clock, server: str) -> Timeline:
    """The flow of a failure, its failing step and what surrounds it."""
    rows = _chosen(case)
    ends = [_ends(row, case) for row in rows]
    lanes = _lanes({key for pair in ends for key in pair}, case, show, server)
    first = next((row["time"] for row in rows if row["time"]), None)
    steps: list[Step] = []
    y, previous = float(TOP + 24), None
    pace = _pace(rows)
    for row, (start, end) in zip(rows, ends, strict=True):
        fold, mark = "", 0.0
        if previous is not None:
            pause = (row["time"] - previous["time"]).total_seconds() if row["time"] and previous["time"] else 0.0
            far = pause * pace
            extra = _ANSWER if steps[-1].main else 0
            mark = y + extra + _NEAR / 2 + 12
            y += extra + min(max(far, _NEAR), _FAR)
            fold = text("timeline.folded", pause=duration(pause)) if far > _FAR else ""
        when = _offset(row, first, clock)
        steps.append(_step(row, case, y, when, lanes[start], lanes[end], show))
        steps[-1].fold, steps[-1].fold_y = fold, mark
        previous = row
    left_out = len(case.flow) - len(rows)
    height = y + FOOT + (_ANSWER if steps and steps[-1].main else 0) + 14
    ordered = sorted(lanes.values(), key=lambda lane: lane.x)
    summary = " ".join(step.summary + "." for step in steps)
    return Timeline(WIDTH, height, ordered, steps, text("incident.unseen_steps", n=left_out) if left_out > 0 else "", summary, mermaid(ordered, steps))


def _chosen(case: Case) -> list[Row]:
    """The failing step with its neighbours; successful look-ups that did not matter only when there is room."""
    rows = case.flow
    if len(rows) > STEPS_BEFORE + STEPS_AFTER + 1:
        rows = [row for row in rows if row["failed"] or row["step"] not in _MINOR or row["id"] == case.row["id"]]
    at = next((i for i, row in enumerate(rows) if row["id"] == case.row["id"]), len(rows) - 1)
    return rows[max(at - STEPS_BEFORE, 0) : at + STEPS_AFTER + 1]


def _pace(rows: list[Row]) -> float:
    """Units a second: the median pause is drawn a little longer than the least one."""
    times = [row["time"] for row in rows if row["time"]]
    pauses = [s for a, b in zip(times, times[1:], strict=False) if (s := (b - a).total_seconds()) > 0]
    return 1.2 * _NEAR / median(pauses) if pauses else 1.0


def _offset(row: Row, first: Any, clock: Clock) -> str:
    if not row["time"]:
        return ""
    if row["time"] == first:
        return clock.exact(first) if not clock.days else f"{first:%H:%M:%S}"
    return "+" + duration((row["time"] - first).total_seconds())


def _ends(row: Row, case: Case) -> tuple[str, str]:
    """Keys of the lanes that a request goes from and to."""
    step, browser = row["step"], bool(row["origin"]) or (row["user_agent"] or "").startswith("Mozilla/")
    caller = "browser" if browser else "app"
    if step == "event":
        place = "server" if row["provider"] and "text" not in (row["source_format"] or "") else "app"
        return place, place
    if step in ("authorization", "end-session"):
        ends = ("browser", "server")
    elif step == "redirection":
        ends = ("browser", "app")
    elif step == "introspection":
        ends = ("api", "server")
    elif step == "resource":
        ends = (caller, "api")
    else:
        ends = (caller, "server")
    if case.cause == "server/intermediary" and row["id"] == case.row["id"]:
        return ends[0], "gateway"
    return ends


def _lanes(used: set[str], case: Case, show: Show, server: str) -> dict[str, Lane]:
    gateway = next((g for row in case.flow for g in _GATEWAYS if (row["source_format"] or "").rpartition(">")[2].startswith(g)), None)
    if "gateway" in used and not gateway:
        gateway = case.row["server_header"] or ""
    keys = [key for key in _LANES if key in used or (key == "gateway" and gateway is not None and used & {"server", "api"})]
    client = next((row["client_id"] for row in case.flow if row["client_id"]), None) or case.incident["client"]
    api = next((row["host"] for row in case.flow if row["step"] == "resource"), "")
    details = {"browser": "", "app": show(client or "", 28), "gateway": show(gateway or "", 20), "server": show(server, 28), "api": show(api, 28)}
    spread = min((WIDTH - LEFT - 210) / max(len(keys) - 1, 1), 430)
    lanes = {}
    for place, key in enumerate(keys):
        x = LEFT + 12 + place * spread if len(keys) > 1 else LEFT + 12
        lanes[key] = Lane(key, text(f"timeline.{key}"), details[key], round(x, 1), "start")
    return lanes


def _step(row: Row, case: Case, y: float, when: str, start: Lane, end: Lane, show: Show) -> Step:
    main = row["id"] == case.row["id"]
    left = min(start.x, end.x) + 9
    room = int((WIDTH - left) / _CHARACTER)
    answer = _answer(row, show)
    if row["step"] == "event":
        label = f"{text('timeline.log')} {answer}" if answer else text("timeline.log")
        return Step(y, when, start, end, _fit(label, room), "", _fit(show(row["error_description"] or row["message"], 400), room), bool(row["failed"]), main=False)
    label = f"{show(row['method'] or '', 10)} {show(row['path'] or row['url'] or '', 120)}".strip()
    detail = "  ".join(_details(row, case, show))
    if not main:
        label = f"{_fit(label, max(room - len(answer) - 3, 12))} → {answer}"
        answer = ""
    return Step(y, when, start, end, _fit(label, room), _fit(answer, room), _fit(detail, room + 8), bool(row["failed"]), main=main)


def _answer(row: Row, show: Show) -> str:
    if row["status"] is None:
        return show(row["error"], 60) if row["error"] else "" if row["step"] == "event" else show(row["transport_error"] or text("timeline.no_answer"), 80)
    why = (row["error"] or row["error_code"] or row["error_description"] or "") if row["failed"] else ""
    return show(f"{row['status']} {why}".strip(), 90)


_MATTERS: dict[str, tuple[tuple[str, str], ...]] = {
    "redirect-uri": (("redirect_uri", "redirect_uri"),),
    "scope": (("scope", "scope"), ("granted_scope", "granted"), ("demanded_scope", "demanded"), ("audience", "resource")),
    "client": (("auth_method", "by"), ("secret_fp", "secret")),
    "binding": (("code_challenge", "challenge"), ("verifier_s256", "verifier's hash")),
}
"""Family -> (column, how it is called) of what matters in a step."""


def _details(row: Row, case: Case, show: Show) -> Iterable[str]:
    for column, name in _MATTERS.get(case.family, ()):
        if row[column] and not (column == "auth_method" and row["step"] not in ("token", "par", "introspection", "revocation")):
            value = show(row[column], 90)
            yield value if name == "secret" else f"{name}={value}"
    if row["step"] == "token" and row["grant_type"] and case.family != "redirect-uri":
        yield show(row["grant_type"], 40)
    for column in ("code_fp", "refresh_token_fp", "device_code_fp"):
        if row[column] and case.family in ("grant", "unknown"):
            yield show(row[column], 40)
    if row["issued_code_fp"] and case.family in ("grant", "unknown"):
        yield text("timeline.issued_code", fp=show(row["issued_code_fp"], 40))
    if row["issued_token_fp"]:
        yield text("timeline.issued_token_for", life=duration(row["expires_in"])) if row["expires_in"] else text("timeline.issued_token")


def _fit(label: str, room: int) -> str:
    return label if len(label) <= room else label[: max(room - 1, 1)] + "…"


# --- Mermaid --------------------------------------------------------------------------------------------------------


_UNSAFE = re.compile(r"[;#<>{}\[\]\"`%\\]|[^\x20-\uffff]")


def mermaid(lanes: list[Lane], steps: list[Step]) -> str:
    """The steps as text for Mermaid; characters that it would read as syntax become blanks."""
    lines = ["sequenceDiagram"]
    lines += [f"  participant {lane.key} as {_UNSAFE.sub(' ', f'{lane.name} {lane.detail}'.strip())}" for lane in lanes]
    for step in steps:
        said = _UNSAFE.sub(" ", f"{step.label} {step.detail}".strip())
        if step.note:
            lines.append(f"  Note over {step.end.key}: {said}")
            continue
        lines.append(f"  {step.start.key}->>{step.end.key}: {said}")
        if step.answer:
            lines.append(f"  {step.end.key}--x{step.start.key}: {_UNSAFE.sub(' ', step.answer)}")
    return "\n".join(lines)
