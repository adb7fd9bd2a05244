"""Access log of Azure Front Door, Standard, Premium and classic: https://learn.microsoft.com/azure/frontdoor/monitor-front-door-reference."""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "azure-frontdoor",
    "Azure Front Door access log",
    ("category=FrontDoorAccessLog|category=FrontdoorAccessLog|Category=FrontDoorAccessLog",),
    {
        "time": ("time", "TimeGenerated"), "took_s": ("properties.timeTaken", "timeTaken_s"), "method": ("properties.httpMethod", "httpMethod_s"), "url": ("properties.requestUri", "requestUri_s"),
        "status": ("properties.httpStatusCode", "httpStatusCode_s", "httpStatusCode_d"), "client": ("properties.clientIp", "clientIp_s"), "in:user-agent": ("properties.userAgent", "userAgent_s"), "in:referer": "properties.referer",
        "request_id": ("properties.trackingReference", "trackingReference_s"), "flag:azure-frontdoor": ("properties.errorInfo", "errorInfo_s"),
    },
)  # fmt: skip
