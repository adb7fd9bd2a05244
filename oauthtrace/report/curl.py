"""A request as a curl command over several lines, with placeholders in capitals where secrets stood."""

from __future__ import annotations

import shlex

from oauthtrace.report.reproduce import Field, Request


def command(request: Request) -> str:
    """The command; a shell finds nothing to run in it, whatever the request came from."""
    parts = [f"curl -si -X {shlex.quote(request.method)} {shlex.quote(request.address)}"]
    if request.query and request.method == "GET":
        parts.append("-G")
    parts += [f"-H {_quoted(f'{header.name}: ', header)}" for header in request.headers]
    if request.basic:
        client = '"$CLIENT_ID:' if request.basic.secret else shlex.quote(request.basic.value + ":") + '"'
        parts.append(f'-u {client}$CLIENT_SECRET"')
    parts += [f"--data-urlencode {_quoted(f'{field.name}=', field)}" for field in (*request.form, *request.query)]
    return " \\\n  ".join(parts)


def _quoted(before: str, field: Field) -> str:
    if not field.secret:
        return shlex.quote(before + field.value)
    return f'"{before}{field.value}${field.secret}"'
