r"""JSON lines as servers write them, mended where they are known to be broken.

nginx writes the operator's template and knows nothing of JSON: bare empty numbers (``"rt":,``), lists of upstream times
(``"ut":0.001, 0.000``) and ``\x22`` escapes. Outside of those nothing is guessed.
"""

from __future__ import annotations

import json
import re
from typing import Any

_BARE = re.compile(r":\s*(-?[\d.]+|-)((?:\s*[,:]\s*(?:-?[\d.]+|-))+)(?=\s*[,}])")


def parsed(line: str) -> dict[str, Any] | None:
    """The object of one line, also behind a prefix; None when there is none."""
    start = line.find("{")
    if start < 0:
        return None
    text = line[start:]
    for mend in (False, True):
        try:
            data = json.loads(_mended(text) if mend else text)
        except (ValueError, RecursionError):
            continue
        return data if isinstance(data, dict) else None
    return None


def _mended(text: str) -> str:
    text = re.sub(r"\\x([0-9A-Fa-f]{2})", r"\\u00\1", text)
    text = re.sub(r":\s*(?=[,}])", ":null", text)
    text = _BARE.sub(lambda m: f':"{m[1]}{m[2]}"', text)
    return re.sub(r":\s*-(?=\s*[,}])", ":null", text)
