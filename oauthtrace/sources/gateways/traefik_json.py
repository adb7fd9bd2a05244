"""Traefik's access log as JSON: https://doc.traefik.io/traefik/observability/access-logs/#limiting-the-fieldsincluding-headers.

Durations are nanoseconds. Headers are dropped unless the configuration keeps them; ``downstream_Location`` holds redirects.
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "traefik-json",
    "Traefik access log as JSON",
    ("DownstreamStatus", "RequestMethod", "RequestPath"),
    {
        "time": ("StartUTC", "StartLocal", "time"), "took_ns": "Duration", "method": "RequestMethod", "url": "RequestPath", "scheme": "RequestScheme", "host": ("RequestAddr", "RequestHost"), "status": "DownstreamStatus",
        "upstream_status": "OriginStatus", "client": ("ClientHost", "ClientAddr"), "user": "ClientUsername", "in:user-agent": "request_User-Agent", "in:referer": "request_Referer", "in:origin": "request_Origin",
        "out:location": "downstream_Location", "out:content-type": "downstream_Content-Type", "out:www-authenticate": "downstream_Www-Authenticate", "request_id": "request_X-Request-Id",
    },
)  # fmt: skip
