"""The page: templates, style and script put together into one file, under a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from oauthtrace.report.texts import texts
from oauthtrace.report.view import build
from oauthtrace.report.words import code_pieces

if TYPE_CHECKING:
    from oauthtrace.analysis import Analysis

_HERE = "oauthtrace.report"
SUMMARISED = 20
"""So many incidents are in a summary."""


def render(
    analysis: Analysis, *, title: str | None = None, share: bool = False, template_dir: str | Path | None = None
) -> str:
    """The report of an analysis as one HTML document.

    Args:
        analysis: what was found.
        title: the document's title; default the verdict.
        share: replace hosts, client ids, users and addresses by pseudonyms, consistently.
        template_dir: folder whose templates, ``style.css`` and ``script.js`` win over the built-in ones.

    """
    from oauthtrace import __version__  # noqa: PLC0415 - the package imports this module

    style, script = (_asset(name, template_dir) for name in ("style.css", "script.js"))
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; base-uri 'none'; form-action 'none'"
    page = _environment(template_dir).get_template("page.html.j2")
    return page.render(
        report=build(analysis, title=title, share=share),
        t=texts(),
        policy=policy,
        style=_trusted(style),
        script=_trusted(script),
        version=__version__,
    )


def summary(analysis: Analysis) -> str:
    """Verdict and incidents of an analysis as a piece of HTML, for notebooks."""
    page = _environment(None).get_template("summary.html.j2")
    return page.render(report=build(analysis, detailed=0), t=texts(), most=SUMMARISED)


def _environment(template_dir: str | Path | None) -> jinja2.Environment:
    folders: list[jinja2.BaseLoader] = [jinja2.FileSystemLoader(template_dir)] if template_dir else []
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*folders, jinja2.PackageLoader(_HERE, "templates")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pieces"] = code_pieces
    environment.filters["data_link"] = _data_link
    return environment


def _asset(name: str, template_dir: str | Path | None) -> str:
    own = Path(template_dir) / name if template_dir else None
    raw = own.read_text("utf-8") if own and own.is_file() else files(_HERE).joinpath(name).read_text("utf-8")
    return "\n" + raw.replace("\r\n", "\n").replace("</", "<\\/" if name.endswith(".js") else "<")


def _data_link(json: str) -> str:
    """An address that holds a JSON file itself: what it holds is no markup and no script, and asks for nothing."""
    return f"data:application/json;base64,{base64.b64encode(json.encode()).decode()}"


def _trusted(source: str) -> Markup:
    return Markup(source)  # noqa: S704 - a file of this package, or of the folder that the user named


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
