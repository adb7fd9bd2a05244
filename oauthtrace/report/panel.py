"""What the templates of panels are given, and how two values are laid one above the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from oauthtrace.oauth.redirect_uri import marks
from oauthtrace.report.visible import Show

VALUE, WORD = 300, 60
"""So many characters are shown of a value that is compared, and of a word."""
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
    rows: list[tuple[str, list[bool], bool]] = field(default_factory=list)
    life: float | None = None
    age: float = 0.0
    labels: tuple[str, str, str] = ("", "", "")


def compare(first: str, second: str, show: Show) -> tuple[list[Piece], list[Piece]]:
    """Two values cut into pieces, aligned: where one lacks characters it has a gap as wide as the other's piece.

    >>> compare("http://a.test", "https://a.test", lambda value, most: value)[0][:2]
    [Piece(text='http', differs=False, gap=0), Piece(text='', differs=True, gap=1)]
    """
    first, second = _window(first, second)
    left, right = marks(show(first, VALUE), show(second, VALUE))
    blocks: list[tuple[str, str, bool]] = []
    for (a, differs), (b, _) in zip(left, right, strict=True):
        island = not differs and len(a) < _ISLAND and blocks and blocks[-1][2]
        if blocks and blocks[-1][2] and (differs or island):
            blocks[-1] = (blocks[-1][0] + a, blocks[-1][1] + b, True)
        else:
            blocks.append((a, b, differs))
    one = [Piece(_seen(a) if d else a, d, max(len(b) - len(a), 0) if d else 0) for a, b, d in blocks]
    other = [Piece(_seen(b) if d else b, d, max(len(a) - len(b), 0) if d else 0) for a, b, d in blocks]
    return one, other


def _seen(value: str) -> str:
    """A value whose blanks can be seen."""
    return value.replace(" ", "␠")


def _window(first: str, second: str) -> tuple[str, str]:
    """Long values from shortly before their first difference on."""
    if max(len(first), len(second)) <= VALUE:
        return first, second
    same = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    start = max(same - _CONTEXT, 0)
    return ("…" + first[start:], "…" + second[start:]) if start else (first, second)
