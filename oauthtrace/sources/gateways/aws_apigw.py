"""Access log of Amazon API Gateway as JSON, by the names that the console proposes.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html

All values are texts, ``-`` is none. The path is known, its query never. Another template is read by ``--log-format``.
"""

from __future__ import annotations

from oauthtrace.sources.json_format import JsonFormat

FORMAT = JsonFormat(
    "aws-apigw",
    "Amazon API Gateway access log as JSON",
    ("requestId", "ip|sourceIp|identity.sourceIp", "routeKey|resourcePath", "status"),
    {
        "time": ("requestTimeEpoch", "requestTime"), "took_ms": ("responseLatency", "response_latency"), "method": "httpMethod", "path": ("path", "resourcePath"), "request": "routeKey", "host": ("domainName", "domain"), "status": "status",
        "upstream_status": ("integrationStatus", "integration.status"), "client": ("ip", "sourceIp", "identity.sourceIp"), "user": "user", "in:user-agent": ("userAgent", "identity.userAgent"), "request_id": "requestId",
        "flag:aws-apigw": ("authorizerError", "authorizer.error", "errorResponseType", "error.responseType", "responseType"), "note": ("integrationErrorMessage", "integrationError", "errorMessage", "error.message"),
    },
    extra=r'authorizer\.?[eE]rror"\s*:\s*"[^"-]|ACCESS_DENIED|UNAUTHORIZED|INVALID_SIGNATURE',
)  # fmt: skip
