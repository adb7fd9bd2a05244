"""Live capture with mitmproxy.

In mitmproxy's own process, before an answer goes on to the client, ``hook`` recognises OAuth exchanges, redacts them and
appends them to a ``journal``. Nothing there is heavy: neither polars nor duckdb is imported. Beside it runs a
``companion``, a process of its own: it moves the journal into the database, and tells why a flow failed as soon as it did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oauthtrace.capture.hook import OAuthTrace

__all__ = ["OAuthTrace"]


def __getattr__(name: str) -> object:
    """Import the hook, and mitmproxy with it, only when it is asked for."""
    if name == "OAuthTrace":
        from oauthtrace.capture.hook import OAuthTrace  # noqa: PLC0415

        return OAuthTrace
    raise AttributeError(name)
