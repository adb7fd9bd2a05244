"""HAProxy's log with ``option httplog``: https://docs.haproxy.org/2.8/configuration.html#8.2.3.

Times have no zone. What the proxy thinks of a session's end is in its termination state, see flags.toml. Headers that
the configuration captures stand between braces, without their names; a host name in the first place is taken for the
Host header. Where syslog cut a line, the quote at its end is gone.
"""

from __future__ import annotations

from oauthtrace.sources.log_format import declared

_BEFORE = (
    "{client address}:{number} [{time clf}] {word} {word}/{word} {number}/{number}/{number}/{upstream_wait number}/{took_ms number} {status status} {number} {word} {word} {flag:haproxy word} "
    "{number}/{number}/{number}/{number}/{number} {number}/{number}"
)

FORMAT = declared(
    "haproxy-http",
    "HAProxy log of HTTP requests (option httplog)",
    _BEFORE + ' "{request text}"',
    _BEFORE + ' {{host hostname}} "{request text}"',
    _BEFORE + ' {{host hostname}|{text}} "{request text}"',
    _BEFORE + ' {{text}} "{request text}"',
)
