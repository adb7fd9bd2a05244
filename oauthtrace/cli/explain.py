"""``oauthtrace explain``: what a cause, an OAuth error or a provider's code means, how it is told, how it is mended."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from oauthtrace.causes import Cause
    from oauthtrace.providers import Code

Word = Annotated[
    str,
    typer.Argument(
        help="A cause (redirect-uri/scheme), a family, an OAuth error (invalid_grant) or a provider's code (AADSTS50011).",
        show_default=False,
    ),
]
INDENT = 2


def explain(word: Word) -> None:
    """Explain a cause, an OAuth error or a provider's code.

    What it means, how it is told, what looks like it, how it is mended.
    """
    from oauthtrace.causes import causes  # noqa: PLC0415 - polars only when there is work

    asked = word.strip()
    known = causes()
    family = [cause for cause in known.values() if cause.family == asked.lower()]
    parts = [cause for cause in known.values() if asked.lower() in cause.id]
    if (cause := known.get(asked.lower())) is not None:
        _show_cause(cause)
    elif family:
        _show_list(f"{asked}: a family of {len(family)} causes", family)
    elif codes := _codes(asked):
        _show_codes(codes)
    elif len(parts) == 1:
        _show_cause(parts[0])
    elif parts:
        _show_list(f"{asked}: part of {len(parts)} causes", parts)
    else:
        _unknown(asked)


def _codes(word: str) -> list[Code]:
    """What the standards and the providers say of a code; also of the code in a whole message."""
    from oauthtrace.providers import STANDARD, find_codes, find_texts, providers  # noqa: PLC0415 - see above

    lowered = word.lower()
    listed = [
        code for provider in providers().values() for name, code in provider.codes.items() if name.lower() == lowered
    ]
    if not listed:
        listed = [code for provider, name in find_codes(word) if (code := providers()[provider].codes.get(name))]
    if not listed and " " in word:
        listed = [code for provider in providers() for code in find_texts(word, provider)[:1]]
    return sorted(listed, key=lambda code: code.provider != STANDARD)


def _unknown(word: str) -> None:
    from oauthtrace.causes import causes  # noqa: PLC0415 - see above
    from oauthtrace.cli.terminal import say  # noqa: PLC0415
    from oauthtrace.providers import providers  # noqa: PLC0415

    names = {
        name.lower(): name
        for provider in providers().values()
        for name in provider.codes
        if " " not in name and "*" not in name
    }
    names |= {cause: cause for cause in causes()} | {cause.partition("/")[2]: cause for cause in causes()}
    near = list(dict.fromkeys(names[match] for match in get_close_matches(word.lower(), names, 3, 0.6)))
    hint = f"did you mean {' or '.join(near)}?" if near else "`oauthtrace causes` lists the causes"
    say(("error: ", "bold red"), f"{word}: neither a cause nor a code that is known; {hint}")
    raise typer.Exit(2)


# --- what is shown ----------------------------------------------------------------------------------------------------


def _heading(title: str) -> None:
    from oauthtrace.cli.terminal import show  # noqa: PLC0415 - see above

    show("")
    show((title, "bold"))


def _show_cause(cause: Cause) -> None:
    from oauthtrace.cli.terminal import show  # noqa: PLC0415 - see above

    show((cause.id, "bold red"), "   ", (cause.title, "bold"))
    show("")
    show(cause.meaning)
    _heading("How it is told")
    show(cause.told_by, indent=INDENT)
    show(("To be sure: ", "dim"), cause.capture_next, indent=INDENT)
    if cause.lookalikes:
        _heading("What looks like it")
        for other, differs in cause.lookalikes:
            show((other, "cyan"), f"  {differs}", indent=INDENT)
    _heading("What to change")
    show((cause.remedy.summary, "bold"), indent=INDENT)
    for step in cause.remedy.steps():
        show(f"– {step}", indent=INDENT)
    _heading("How to check")
    show(cause.remedy.check, indent=INDENT)
    _heading("References")
    show(", ".join(cause.references), indent=INDENT)


def _show_list(title: str, causes: list[Cause]) -> None:
    from oauthtrace.cli.terminal import rows, show  # noqa: PLC0415 - see above

    show((title, "bold"))
    show("")
    rows(("cause", "what it is"), ((cause.id, cause.title) for cause in causes))


def _show_codes(codes: list[Code]) -> None:
    """What the standards say of a code, else the first provider that has it; then what others mean by it."""
    from oauthtrace.cli.terminal import show  # noqa: PLC0415 - see above
    from oauthtrace.providers import providers  # noqa: PLC0415

    code, *others = codes
    provider = providers()[code.provider]
    show((code.code, "bold red"), "   ", (provider.name, "bold"))
    show("")
    show(code.meaning)
    _show_behind(code)
    if provider.docs:
        show((f"{provider.name}: {provider.docs}", "dim"))
    if others:
        _heading("Where it means something of its own")
    for other in others:
        likeliest = "" if other.cause in ("none", code.cause) else f" Likeliest: {other.cause}."
        show((providers()[other.provider].name, "cyan"), f"  {other.meaning}{likeliest}", indent=INDENT)


def _show_behind(code: Code) -> None:
    """The causes that may hide behind a code, and how each is told; in full when there is only one."""
    from oauthtrace.causes import causes  # noqa: PLC0415 - see above
    from oauthtrace.cli.terminal import show  # noqa: PLC0415

    behind = [causes()[name] for name in dict.fromkeys((code.cause, *code.also)) if name in causes()]
    if not behind:
        _heading("No failure: a normal step of the protocol.")
    elif len(behind) == 1:
        show("")
        _show_cause(behind[0])
    else:
        _heading(f"{len(behind)} causes hide behind it, the likeliest first; told apart by")
        for cause in behind:
            show((cause.id, "cyan"), f"  {cause.title}", indent=INDENT)
            show((cause.told_by, "dim"), indent=INDENT * 2)
        show("")
        show(("One in full: ", "dim"), f"oauthtrace explain {behind[0].id}")
