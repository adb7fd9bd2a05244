"""oauthtrace tells why an OAuth 2.0 / OpenID Connect exchange failed, proves it from the traffic, and says what to change.

>>> import oauthtrace
>>> analysis = oauthtrace.analyze(["sample_logs/redirect-uri.har"])  # doctest: +SKIP
>>> analysis.failures  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oauthtrace.analysis import Analysis, analyze

__all__ = ["Analysis", "__version__", "analyze"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the analysis, and polars with it, only when it is asked for."""
    if name in ("Analysis", "analyze"):
        from oauthtrace import analysis  # noqa: PLC0415

        return getattr(analysis, name)
    raise AttributeError(name)
