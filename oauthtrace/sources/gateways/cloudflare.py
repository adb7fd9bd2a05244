"""Cloudflare Logpush, data set ``http_requests``: https://developers.cloudflare.com/logs/logpush/logpush-job/datasets/zone/http_requests/.

Which fields there are is chosen by the job. Status 52x is Cloudflare's own. An ``OriginResponseStatus`` of 0 means that
the origin was not asked, or did not answer.
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "cloudflare",
    "Cloudflare Logpush, HTTP requests",
    ("RayID", "EdgeStartTimestamp|ClientRequestURI|EdgeResponseStatus"),
    {
        "time": "EdgeStartTimestamp", "took_ms": "EdgeTimeToFirstByteMs", "method": "ClientRequestMethod", "url": ("ClientRequestURI", "ClientRequestPath"), "scheme": "ClientRequestScheme", "host": "ClientRequestHost",
        "status": "EdgeResponseStatus", "upstream_status": "OriginResponseStatus", "client": "ClientIP", "in:user-agent": "ClientRequestUserAgent", "in:referer": "ClientRequestReferer", "request_id": "RayID",
        "in:*": "RequestHeaders", "out:*": "ResponseHeaders", "out:content-type": "EdgeResponseContentType", "flag:cloudflare": ("SecurityAction", "SecurityActions", "WAFAction", "FirewallMatchesActions"),
    },
)  # fmt: skip
