"""One flow as swim lanes: who asked whom, when, and what mattered; and the same as a Mermaid sequence diagram."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from oauthtrace.correlate import PLACE
from oauthtrace.evidence import duration
from oauthtrace.providers import providers
from oauthtrace.report.around import Case
from oauthtrace.report.texts import plural, text
from oauthtrace.report.times import Clock
from oauthtrace.report.visible import Show

Row = dict[str, Any]
WIDTH, LEFT, TOP, FOOT = 960, 118, 52, 30
STEPS_BEFORE, STEPS_AFTER = 8, 3
WEAK_BEFORE, WEAK_AFTER = 3, 1
"""How many neighbours are shown; fewer where they were joined by no more than caller and time."""
_NEAR, _FAR, _ANSWER = 46, 92, 34
"""Least and most units between two steps, and from a failing request to its answer."""
_CHARACTER = 7.2
_LANES = ("browser", "app", "gateway", "server", "api")
_GATEWAYS = (
    "nginx",
    "apache",
    "haproxy",
    "envoy",
    "traefik",
    "caddy",
    "kong",
    "squid",
    "varnish",
    "alb",
    "aws-",
    "apigee",
)
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
    """One exchange in the drawing. ``main`` is the failing one; ``fold`` is a pause before it that is not to scale."""

    y: float
    time: str
    start: Lane
    end: Lane
    failed: bool
    main: bool
    label: str = ""
    answer: str = ""
    detail: str = ""
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


@dataclass(slots=True)
class Timeline:
    """All that the drawing needs."""

    width: int
    height: float
    lanes: list[Lane]
    steps: list[Step]
    left_out: str
    mermaid: str


def timeline(case: Case, show: Show, clock: Clock, server: str) -> Timeline:
    """The flow of a failure, its failing step and what surrounds it."""
    rows = _chosen(case)
    ends = [_ends(row, case) for row in rows]
    answering = next((row["host"] for row, (_, end) in zip(rows, ends, strict=True) if end == "server"), None)
    named = server if providers().get(case.row["provider"] or "") or not answering else show(answering, 60)
    lanes = _lanes({key for pair in ends for key in pair}, case, show, named)
    drawing = _Drawing(case, show, clock, rows, lanes)
    for row, (start, end) in zip(rows, ends, strict=True):
        drawing.add(row, lanes[start], lanes[end])
    left_out = len(case.flow) - len(rows)
    unseen = plural("incident.unseen_steps", left_out) if left_out > 0 else ""
    ordered = sorted(lanes.values(), key=lambda lane: lane.x)
    return Timeline(WIDTH, drawing.bottom + FOOT, ordered, drawing.steps, unseen, mermaid(ordered, drawing.steps))


class _Drawing:
    """The steps as they are drawn one below the other."""

    def __init__(self, case: Case, show: Show, clock: Clock, rows: list[Row], lanes: dict[str, Lane]) -> None:
        self.case, self.show, self.clock, self.rows, self.lanes = case, show, clock, rows, lanes
        self.steps: list[Step] = []
        self.first: datetime | None = next((row["time"] for row in rows if row["time"]), None)
        self.previous: datetime | None = None
        self.pace = _pace(rows)

    @property
    def bottom(self) -> float:
        """How far down it has come."""
        if not self.steps:
            return TOP + 24 - _NEAR
        last = self.steps[-1]
        return last.answer_y if last.main else last.y

    def add(self, row: Row, start: Lane, end: Lane) -> None:
        """One exchange, then the answers of callbacks that waited for it."""
        pause = (row["time"] - self.previous).total_seconds() if row["time"] and self.previous else 0.0
        far = pause * self.pace
        y = self.bottom + min(max(far, _NEAR), _FAR)
        step = Step(
            y, self._offset(row["time"]), start, end, failed=bool(row["failed"]), main=row["id"] == self.case.row["id"]
        )
        self._say(step, row)
        if far > _FAR:
            step.fold, step.fold_y = duration(pause), y - 40
        self.steps.append(step)
        self.previous = row["time"] or self.previous
        for waiting in _late_answers(self.rows, row, self.case):
            self._answer_late(waiting)

    def _say(self, step: Step, row: Row) -> None:
        """The texts of a step, cut to the room there is."""
        room = int((WIDTH - step.left) / _CHARACTER)
        answer = _answer(row, self.show)
        if row["step"] == "event":
            step.label = _fit(f"{text('timeline.log')} {answer}".strip(), room)
            step.detail = _fit(self.show(row["error_description"] or row["message"], 400), room)
            step.main = False
            return
        step.label = f"{self.show(row['method'] or '', 10)} {self.show(row['path'] or row['url'] or '', 120)}".strip()
        step.detail = _fit(" · ".join(_details(row, self.case, self.show)), room)
        if _waits(row, self.rows, self.case):
            step.failed = False
        elif step.main:
            step.answer = _fit(answer, int(0.82 * room))
        else:
            step.label = f"{_fit(step.label, max(room - len(answer) - 3, 24))} → {answer}"
        step.label = _fit(step.label, room)

    def _answer_late(self, waiting: Row) -> None:
        ended = waiting["time"] + timedelta(milliseconds=waiting["duration_ms"])
        step = Step(
            self.bottom + _NEAR,
            self._offset(ended),
            self.lanes["app"],
            self.lanes["browser"],
            failed=bool(waiting["failed"]),
            main=False,
        )
        step.label = _fit(_answer(waiting, self.show), int((WIDTH - step.left) / _CHARACTER))
        self.steps.append(step)

    def _offset(self, moment: datetime | None) -> str:
        if moment is None or self.first is None:
            return ""
        if moment == self.first:
            return f"{moment:%H:%M:%S}" if self.clock.days else self.clock.exact(moment)
        return "+" + duration((moment - self.first).total_seconds())


def _chosen(case: Case) -> list[Row]:
    """The failing step with its neighbours; successful look-ups that did not matter only when there is room."""
    rows = case.flow
    if len(rows) > STEPS_BEFORE + STEPS_AFTER + 1:
        rows = [row for row in rows if row["failed"] or row["step"] not in _MINOR or row["id"] == case.row["id"]]
    at = next((i for i, row in enumerate(rows) if row["id"] == case.row["id"]), len(rows) - 1)
    weak = case.row["joined_by"] in (None, PLACE)
    before, after = (WEAK_BEFORE, WEAK_AFTER) if weak else (STEPS_BEFORE, STEPS_AFTER)
    return rows[max(at - before, 0) : at + after + 1]


def _waits(row: Row, rows: list[Row], case: Case) -> bool:
    """Whether a callback was answered only after other requests that it waited for: they stand between its two arrows."""
    if row["step"] != "redirection" or row["id"] == case.row["id"] or not row["time"] or not row["duration_ms"]:
        return False
    end = row["time"] + timedelta(milliseconds=row["duration_ms"])
    return any(other["n"] > row["n"] and other["time"] and other["time"] < end for other in rows)


def _late_answers(rows: list[Row], row: Row, case: Case) -> list[Row]:
    """The callbacks whose answers come after this row and before the next one begins."""
    if not row["time"]:
        return []
    following = [other["time"] for other in rows if other["n"] > row["n"] and other["time"]]
    found = []
    for waiting in rows:
        if waiting["n"] < row["n"] and _waits(waiting, rows, case):
            end = waiting["time"] + timedelta(milliseconds=waiting["duration_ms"])
            if row["time"] < end and not any(time < end for time in following):
                found.append(waiting)
    return found


def _pace(rows: list[Row]) -> float:
    """Units a second: the median pause is drawn a little longer than the least one."""
    times = [row["time"] for row in rows if row["time"]]
    pauses = [s for a, b in pairwise(times) if (s := (b - a).total_seconds()) > 0]
    return 1.2 * _NEAR / median(pauses) if pauses else 1.0


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
    gateway = next(
        (g for row in case.flow for g in _GATEWAYS if (row["source_format"] or "").rpartition(">")[2].startswith(g)),
        None,
    )
    if "gateway" in used and not gateway:
        gateway = case.row["server_header"] or ""
    keys = [
        key for key in _LANES if key in used or (key == "gateway" and gateway is not None and used & {"server", "api"})
    ]
    client = next((row["client_id"] for row in case.flow if row["client_id"]), None) or case.incident["client"]
    api = next((row["host"] for row in case.flow if row["step"] == "resource"), "")
    details = {
        "browser": "",
        "app": show(client or "", 28),
        "gateway": show(gateway or "", 20),
        "server": "" if server == text("verdict.server") else show(server, 28),
        "api": show(api, 28),
    }
    spread = min((WIDTH - LEFT - 210) / max(len(keys) - 1, 1), 430)
    lanes = {}
    for place, key in enumerate(keys):
        x = LEFT + 12 + place * spread if len(keys) > 1 else LEFT + 12
        lanes[key] = Lane(key, text(f"timeline.{key}"), details[key], round(x, 1), "start")
    return lanes


def _answer(row: Row, show: Show) -> str:
    if row["status"] is None:
        return (
            show(row["error"], 60)
            if row["error"]
            else ""
            if row["step"] == "event"
            else show(row["transport_error"] or text("timeline.no_answer"), 80)
        )
    why = (row["error"] or row["error_code"] or row["error_description"] or "") if row["failed"] else ""
    status = str(row["status"])
    return show(why if why.startswith(status) else f"{status} {why}".strip(), 400)


_MATTERS: dict[str, tuple[tuple[str, str], ...]] = {
    "redirect-uri": (("redirect_uri", "redirect_uri"),),
    "scope": (
        ("scope", "scope"),
        ("granted_scope", "granted"),
        ("demanded_scope", "demanded"),
        ("audience", "resource"),
    ),
    "client": (("auth_method", "by"), ("secret_fp", "secret")),
    "binding": (("code_challenge", "challenge"), ("verifier_s256", "verifier's hash")),
}
"""Family -> (column, how it is called) of what matters in a step."""


def _details(row: Row, case: Case, show: Show) -> Iterable[str]:
    for column, name in _MATTERS.get(case.family, ()):
        if row[column] and not (
            column == "auth_method" and row["step"] not in ("token", "par", "introspection", "revocation")
        ):
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
        yield (
            text("timeline.issued_token_for", life=duration(row["expires_in"]))
            if row["expires_in"]
            else text("timeline.issued_token")
        )


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
