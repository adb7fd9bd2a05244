"""Gateway log of Azure API Management, as diagnostic settings or Log Analytics export it.

https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewaylogs,
https://learn.microsoft.com/azure/api-management/validate-jwt-policy

``lastError`` tells which policy refused a token, and why.
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "azure-apim",
    "Azure API Management gateway log",
    ("category=GatewayLogs|Category=GatewayLogs|Type=ApiManagementGatewayLogs",),
    {
        "time": ("time", "TimeGenerated"), "took_ms": ("durationMs", "TotalTime"), "method": ("properties.method", "Method"), "url": ("properties.url", "Url"), "status": ("properties.responseCode", "ResponseCode"),
        "upstream_status": ("properties.backendResponseCode", "BackendResponseCode"), "client": ("callerIpAddress", "CallerIpAddress"), "request_id": ("correlationId", "CorrelationId"),
        "in:*": ("properties.requestHeaders", "RequestHeaders"), "out:*": ("properties.responseHeaders", "ResponseHeaders"), "request_body": ("properties.requestBody", "RequestBody"), "answer_body": ("properties.responseBody", "ResponseBody"),
        "flag:azure-apim": ("properties.lastError.reason", "LastErrorReason"), "note": ("properties.lastError.message", "LastErrorMessage"),
    },
    extra="jwt",
)  # fmt: skip
