"""Access log of Azure Application Gateway.

https://learn.microsoft.com/azure/application-gateway/monitor-application-gateway-reference#access-log-category
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "azure-appgw",
    "Azure Application Gateway access log",
    ("category=ApplicationGatewayAccessLog|Category=ApplicationGatewayAccessLog|Type=AGWAccessLogs",),
    {
        "ended": ("time", "timeStamp", "TimeGenerated"), "took_s": ("properties.timeTaken", "TimeTaken", "timeTaken_d"), "method": ("properties.httpMethod", "HttpMethod", "httpMethod_s"),
        "url": ("properties.originalRequestUriWithArgs", "OriginalRequestUriWithArgs", "properties.requestUri", "RequestUri", "requestUri_s"), "query": ("properties.requestQuery", "RequestQuery", "requestQuery_s"),
        "host": ("properties.originalHost", "OriginalHost", "properties.host", "Host", "host_s"), "status": ("properties.httpStatus", "HttpStatus", "httpStatus_d"), "upstream_status": ("properties.serverStatus", "ServerStatus", "serverStatus_s"),
        "client": ("properties.clientIP", "properties.clientIp", "ClientIp", "clientIP_s"), "in:user-agent": ("properties.userAgent", "UserAgent", "userAgent_s"), "request_id": ("properties.transactionId", "TransactionId"),
        "flag:azure-appgw": ("properties.error_info", "ErrorInfo", "error_info_s"),
    },
)  # fmt: skip
