"""The same small day as each format writes it whose software is not to be had here, by the vendors' documentation.

``python -m sample_logs.make.formats.written`` writes the samples; the documentation is named in each format's module.
Tests render further days by the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

OUT = Path(__file__).parents[2] / "formats"
START = datetime(2026, 5, 4, 9, 14, 2, 120_000, UTC)
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_4 like Mac OS X) AppleWebKit/605.1.15"
MACHINE = "okhttp/5.3.0"
OK, REFUSED, SLOW, EXPIRED = "ok", "refused", "slow", "expired"
"""How the gateway fared: the server answered, refused the connection, was too slow; or the gateway itself found a token expired."""


class Call(NamedTuple):
    """One request as a gateway sees it."""

    at: datetime
    client: str
    method: str
    host: str
    target: str
    status: int
    took_s: float
    agent: str = PHONE
    how: str = OK
    location: str = ""
    number: int = 0

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def id(self) -> str:
        return f"{self.number:08x}-6c1e-4a52-8c57-1f2d3a4b5c6d"

    @property
    def answered(self) -> bool:
        """Whether the server behind the gateway answered."""
        return self.how == OK

    @property
    def ms(self) -> int:
        return round(self.took_s * 1000)

    @property
    def zulu(self) -> str:
        return self.at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"

    @property
    def began(self) -> str:
        return f"{self.at:%d/%b/%Y:%H:%M:%S} +0000"

    @property
    def ended(self) -> str:
        return f"{self.at + timedelta(seconds=self.took_s):%d/%b/%Y:%H:%M:%S} +0000"


def day() -> list[Call]:
    """A sign-in, one that the user refuses, a server that is away and then slow, and an API that a token no longer opens."""
    callback = "https://portal.kestrel.test/callback"

    def authorize(state: str) -> str:
        asked = {"response_type": "code", "client_id": "portal", "redirect_uri": callback, "scope": "openid", "state": state, "nonce": f"n-{state}"}  # fmt: skip
        return f"/oauth2/authorize?{urlencode(asked)}"

    refused = urlencode({"error": "access_denied", "error_description": "The user said no", "state": "Xb81kPz07n"})
    granted = urlencode({"code": "q7Yd2LmXw9RrT4", "state": "8fQ2yLr0vB"})
    login, portal, api = "login.kestrel.test", "portal.kestrel.test", "api.kestrel.test"
    phone, other, server = "203.0.113.7", "203.0.113.41", "198.51.100.4"
    rows: list[tuple[str, str, str, str, int, float, str, str]] = [
        (phone, "GET", portal, "/", 200, 0.012, OK, ""),
        (phone, "GET", portal, "/static/site.css?v=7", 304, 0.002, OK, ""),
        (server, "GET", login, "/.well-known/openid-configuration", 200, 0.004, OK, ""),
        (phone, "GET", login, authorize("8fQ2yLr0vB"), 302, 0.031, OK, f"{callback}?{granted}"),
        (phone, "GET", portal, f"/callback?{granted}", 302, 0.118, OK, "https://portal.kestrel.test/"),
        (server, "POST", login, "/oauth2/token", 200, 0.046, OK, ""),
        (other, "GET", login, authorize("Xb81kPz07n"), 302, 0.029, OK, f"{callback}?{refused}"),
        (other, "GET", portal, f"/callback?{refused}", 403, 0.007, OK, ""),
        (server, "POST", login, "/oauth2/token", 503, 0.003, REFUSED, ""),
        (server, "POST", login, "/oauth2/token", 504, 15.002, SLOW, ""),
        (phone, "GET", api, "/orders/17", 200, 0.021, OK, ""),
        (phone, "GET", api, "/orders/18", 401, 0.001, EXPIRED, ""),
    ]
    calls = []
    for number, (client, method, host, target, status, took, how, location) in enumerate(rows, 1):
        at, agent = START + timedelta(seconds=20 * (number - 1)), MACHINE if client == server else PHONE
        calls.append(Call(at, client, method, host, target, status, took, agent, how, location, number))
    return calls


def _json(entry: Any) -> str:
    return json.dumps(entry, separators=(",", ":"))


# --- Envoy and Istio ---------------------------------------------------------------------------------------------------

_FLAGS = {OK: "-", REFUSED: "UF,URX", SLOW: "UT", EXPIRED: "-"}
_DETAILS = {
    OK: "via_upstream",
    REFUSED: "upstream_reset_before_response_started{connection_failure,delayed_connect_error:_111}",
    SLOW: "response_timeout",
    EXPIRED: "jwt_authn_access_denied{Jwt_is_expired}",
}


def _envoy_tail(c: Call) -> str:
    return f'{c.ms} {c.ms if c.answered else "-"} "{c.client}" "{c.agent}" "{c.id}" "{c.host}" "{"10.0.1.9:8443" if c.how != EXPIRED else "-"}"'


def envoy_text(c: Call) -> str:
    return f'[{c.zulu}] "{c.method} {c.target} HTTP/2" {c.status} {_FLAGS[c.how]} 0 91 {_envoy_tail(c)}'


def istio_text(c: Call) -> str:
    reason = "delayed_connect_error:_111" if c.how == REFUSED else "-"
    rest = f"outbound|8443||{c.host.split('.')[0]}.auth.svc.cluster.local - 10.96.3.4:443 {c.client}:40122 {c.host} default"
    return f'[{c.zulu}] "{c.method} {c.target} HTTP/2" {c.status} {_FLAGS[c.how]} {_DETAILS[c.how]} - "{reason}" 0 91 {_envoy_tail(c)} {rest}'


def istio_json(c: Call) -> str:
    return _json(
        {
            "authority": c.host, "bytes_received": 0, "bytes_sent": 91, "connection_termination_details": None, "downstream_local_address": "10.96.3.4:443", "downstream_remote_address": f"{c.client}:40122", "duration": c.ms,
            "method": c.method, "path": c.target, "protocol": "HTTP/2", "request_id": c.id, "requested_server_name": c.host, "response_code": c.status, "response_code_details": _DETAILS[c.how], "response_flags": _FLAGS[c.how],
            "route_name": "default", "start_time": c.zulu, "upstream_cluster": "outbound|8443||login.auth.svc.cluster.local", "upstream_host": "10.0.1.9:8443" if c.answered else None, "upstream_local_address": None,
            "upstream_service_time": str(c.ms) if c.answered else None, "upstream_transport_failure_reason": "delayed_connect_error:_111" if c.how == REFUSED else None, "user_agent": c.agent, "x_forwarded_for": c.client,
        }
    )  # fmt: skip


def envoy_gateway_json(c: Call) -> str:
    return _json(
        {
            ":authority": c.host, "bytes_received": 0, "bytes_sent": 91, "connection_termination_details": None, "downstream_local_address": "10.42.0.77:10443", "downstream_remote_address": f"{c.client}:40122", "duration": c.ms,
            "method": c.method, "protocol": "HTTP/2", "requested_server_name": c.host, "response_code": c.status, "response_code_details": _DETAILS[c.how], "response_flags": _FLAGS[c.how], "route_name": "httproute/auth/login/rule/0/match/0/*",
            "start_time": c.zulu, "upstream_cluster": "httproute/auth/login/rule/0", "upstream_host": "10.42.0.9:8443" if c.answered else None, "upstream_local_address": None,
            "upstream_transport_failure_reason": "delayed_connect_error:_111" if c.how == REFUSED else None, "user-agent": c.agent, "x-envoy-origin-path": c.target, "x-envoy-upstream-service-time": None, "x-forwarded-for": c.client, "x-request-id": c.id,
        }
    )  # fmt: skip


# --- Nginx Proxy Manager, IIS --------------------------------------------------------------------------------------------


def nginx_proxy_manager(c: Call) -> str:
    upstream = str(c.status) if c.answered else "-"
    request = f'{c.method} https {c.host} "{c.target}" [Client {c.client}] [Length 91] [Gzip -] [Sent-to 10.0.1.9]'
    return f'[{c.ended}] - {upstream} {c.status} - {request} "{c.agent}" "-"'


IIS_TOP = (
    "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-05-04 09:14:02\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer)"
    " sc-status sc-substatus sc-win32-status time-taken\n"
)


def iis_w3c(c: Call) -> str:
    agent = c.agent.replace(" ", "+")
    ended = c.at + timedelta(seconds=c.took_s)
    return f"{ended:%Y-%m-%d %H:%M:%S} 10.0.0.4 {c.method} {c.path} {c.query or '-'} 443 - {c.client} {agent} - {c.status} 0 0 {c.ms}"


# --- Kong, APISIX, Traefik -----------------------------------------------------------------------------------------------


def kong_json(c: Call) -> str:
    headers = {"host": c.host, "user-agent": c.agent} | ({"authorization": "REDACTED"} if c.method == "POST" else {})
    out = {"content-type": "text/html"} | ({"location": c.location} if c.location else {})
    body = {"error": "invalid_token", "error_description": "The access token expired"} if c.how == EXPIRED else None
    return _json(
        {
            "started_at": int(c.at.timestamp() * 1000), "client_ip": c.client,
            "request": {"id": c.id.replace("-", ""), "method": c.method, "uri": c.target, "url": f"https://{c.host}:8443{c.target}", "querystring": {}, "size": 512, "headers": headers},
            "upstream_uri": c.path, "upstream_status": str(c.status) if c.answered else "",
            "response": {"status": c.status, "size": 77, "headers": out | ({"www-authenticate": 'Bearer error="invalid_token", error_description="The access token expired"'} if body else {})},
            "latencies": {"request": c.ms, "kong": 1, "proxy": c.ms - 1 if c.answered else -1, "receive": 0}, "tries": [], "service": {"id": "s1", "name": "login", "host": "login.svc"},
            "source": "upstream" if c.answered else "kong", "workspace": "w1",
        }
    )  # fmt: skip


def apisix_access(c: Call) -> str:
    upstream = f"10.0.1.9:8443 {c.status} {c.took_s:.3f}" if c.how != EXPIRED else "- - -"
    return f'{c.client} - - [{c.ended}] {c.host} "{c.method} {c.target} HTTP/1.1" {c.status} 175 {c.took_s:.3f} "-" "{c.agent}" {upstream} "http://{c.host}{c.path}"'


def apisix_json(c: Call) -> str:
    return _json(
        {
            "start_time": int(c.at.timestamp() * 1000), "client_ip": c.client, "route_id": "r1", "service_id": "s1", "latency": c.took_s * 1000, "apisix_latency": 0.9, "upstream_latency": c.took_s * 1000 - 0.9 if c.answered else None,
            "upstream": "10.0.1.9:8443", "server": {"hostname": "apisix-0", "version": "3.12.0"},
            "request": {"method": c.method, "uri": c.target, "url": f"https://{c.host}:443{c.target}", "size": 512, "querystring": {}, "headers": {"host": c.host, "user-agent": c.agent}},
            "response": {"status": c.status, "size": 210, "headers": {"content-type": "text/html"} | ({"location": c.location} if c.location else {})},
        }
    )  # fmt: skip


def traefik_common(c: Call) -> str:
    server = f'"{c.host.split(".")[0]}@docker" "http://172.18.0.5:8080"' if c.how != EXPIRED else '"-" "-"'
    return f'{c.client} - - [{c.began}] "{c.method} {c.target} HTTP/2.0" {c.status} 98 "-" "{c.agent}" {c.number} {server} {c.ms}ms'


def traefik_json(c: Call) -> str:
    entry = {
        "ClientAddr": f"{c.client}:51834", "ClientHost": c.client, "ClientPort": "51834", "ClientUsername": "-", "DownstreamContentSize": 98, "DownstreamStatus": c.status, "Duration": c.ms * 1_000_000, "OriginStatus": c.status if c.answered else 0,
        "RequestAddr": c.host, "RequestHost": c.host, "RequestMethod": c.method, "RequestPath": c.target, "RequestPort": "-", "RequestProtocol": "HTTP/2.0", "RequestScheme": "https", "RetryAttempts": 0, "RouterName": "login@docker",
        "ServiceAddr": "172.18.0.5:8080", "ServiceName": "login@docker", "StartUTC": c.zulu, "entryPointName": "websecure", "level": "info", "msg": "", "request_User-Agent": c.agent, "time": c.zulu[:19] + "Z",
    }  # fmt: skip
    return _json(entry | ({"downstream_Location": c.location} if c.location else {}))


# --- load balancers, networks and API gateways of clouds -----------------------------------------------------------------


def aws_alb(c: Call) -> str:
    spent = f"0.001 {c.took_s:.3f} 0.000" if c.answered else "-1 -1 -1"
    ended = (c.at + timedelta(seconds=c.took_s)).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    began = c.at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    path, status, reason = c.target, c.status, "-"
    if c.path == "/callback":
        path = c.target.replace("/callback", "/oauth2/idpresponse")
        status, reason = (561, "AuthTokenEpRequestFailed") if "error" in c.query else (302, "-")
    target = f"10.0.1.9:8443 {spent} {status} {status if c.answered and status < 500 else '-'}"
    return (
        f'https {ended} app/front/50dc6c495c0c9188 {c.client}:51834 {target} 1107 404 "{c.method} https://{c.host}:443{path} HTTP/2.0" "{c.agent}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 '
        f'arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/app/73e2d6bc24d8a067 "Root=1-{c.number:08x}-23a8c76965a2ef7629b185e3" "{c.host}" "session-reused" 10 {began} "authenticate,forward" "-" "{reason}" '
        f'"10.0.1.9:8443" "{status}" "-" "-" TID_5f8c2f8f2a1b4c3d9e0f1a2b3c4d5e6f'
    )


def aws_apigw(c: Call) -> str:
    said = "the token has expired" if c.how == EXPIRED else "-"
    failed = {REFUSED: "INTEGRATION_FAILURE", SLOW: "INTEGRATION_TIMEOUT", EXPIRED: "EXPIRED_TOKEN"}.get(c.how, "-")
    return _json(
        {
            "requestId": c.id, "ip": c.client, "requestTime": c.began, "httpMethod": c.method, "routeKey": f"{c.method} {c.path}", "path": c.path, "domainName": c.host, "status": str(c.status), "protocol": "HTTP/1.1", "responseLength": "26",
            "responseLatency": str(c.ms), "integrationStatus": str(c.status) if c.answered else "-", "authorizerError": said, "errorResponseType": failed,
        }
    )  # fmt: skip


_CLOUDFRONT = {OK: "Miss", REFUSED: "OriginConnectError", SLOW: "OriginReadTimeout", EXPIRED: "AccessDenied"}
CLOUDFRONT_TOP = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes"
    " time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len"
    " sc-range-start sc-range-end\n"
)


def cloudfront(c: Call) -> str:
    result = "Miss" if c.answered else "Error"
    fields = [
        f"{c.at:%Y-%m-%d}", f"{c.at:%H:%M:%S}", "FRA56-P4", "611", c.client, c.method, "d111111abcdef8.cloudfront.net", c.path, str(c.status), "-", quote(c.agent, safe="/().;,"), c.query or "-", "-", result, f"{c.id}==", c.host, "https",
        "482", f"{c.took_s:.3f}", "-", "TLSv1.3", "TLS_AES_128_GCM_SHA256", result, "HTTP/2.0", "-", "-", "51834", f"{c.took_s:.3f}", _CLOUDFRONT[c.how], "text/html", "520", "-", "-",
    ]  # fmt: skip
    return "\t".join(fields)


def _azure(c: Call, product: str, category: str, properties: dict[str, Any], **more: Any) -> str:
    resource = f"/SUBSCRIPTIONS/0000/RESOURCEGROUPS/RG/PROVIDERS/{product}"
    return _json({"time": c.zulu, "resourceId": resource, "category": category, **more, "properties": properties})


def azure_apim(c: Call) -> str:
    properties: dict[str, Any] = {"method": c.method, "url": f"https://{c.host}{c.target}", "responseCode": c.status, "cache": "none", "apiId": "all", "clientProtocol": "HTTP/1.1"}  # fmt: skip
    if c.answered:
        properties["backendResponseCode"] = c.status
    if c.how == EXPIRED:
        properties["lastError"] = {"elapsed": 1, "source": "validate-jwt", "scope": "api", "section": "inbound", "reason": "TokenExpired", "message": "JWT Validation Failed: IDX10223: Lifetime validation failed. The token is expired."}  # fmt: skip
    elif not c.answered:
        reason = "BackendConnectionFailure" if c.how == REFUSED else "Timeout"
        said = "Connection refused (login.kestrel.test:443)" if c.how == REFUSED else "The operation has timed out."
        properties["lastError"] = {"elapsed": c.ms, "source": "forward-request", "section": "backend", "reason": reason, "message": said}  # fmt: skip
    return _azure(c, "MICROSOFT.APIMANAGEMENT/SERVICE/APIM", "GatewayLogs", properties, operationName="Microsoft.ApiManagement/GatewayLogs", callerIpAddress=c.client, correlationId=c.id, isRequestSuccess=c.status < 400, durationMs=c.ms)  # fmt: skip


def azure_appgw(c: Call) -> str:
    info = {REFUSED: "ERRORINFO_UPSTREAM_NO_LIVE", SLOW: "ERRORINFO_UPSTREAM_TIMED_OUT"}.get(c.how, "")
    properties = {
        "instanceId": "appgw_2", "clientIP": c.client, "clientPort": 51834, "httpMethod": c.method, "originalRequestUriWithArgs": c.target, "requestUri": c.path, "requestQuery": c.query, "userAgent": c.agent, "httpStatus": c.status,
        "httpVersion": "HTTP/1.1", "receivedBytes": 512, "sentBytes": 573, "timeTaken": c.took_s, "sslEnabled": "on", "host": c.host, "originalHost": c.host, "serverRouted": "10.0.1.9:443", "serverStatus": str(c.status) if c.answered else "",
        "error_info": info, "transactionId": c.id,
    }  # fmt: skip
    ended = c._replace(at=c.at + timedelta(seconds=c.took_s))
    return _azure(ended, "MICROSOFT.NETWORK/APPLICATIONGATEWAYS/GW", "ApplicationGatewayAccessLog", properties, operationName="ApplicationGatewayAccess")  # fmt: skip


def azure_frontdoor(c: Call) -> str:
    info = {REFUSED: "OriginConnectionRefused", SLOW: "OriginTimeout"}.get(c.how, "NoError")
    properties = {
        "trackingReference": c.id, "httpMethod": c.method, "httpVersion": "2.0.0.0", "requestUri": f"https://{c.host}:443{c.target}", "hostName": c.host, "clientIp": c.client, "clientPort": "51834", "timeTaken": f"{c.took_s:.3f}",
        "userAgent": c.agent, "httpStatusCode": str(c.status), "pop": "FRA", "errorInfo": info, "result": info, "originName": "login-origin:443",
    }  # fmt: skip
    return _azure(c, "MICROSOFT.CDN/PROFILES/FD", "FrontDoorAccessLog", properties, operationName="Microsoft.Cdn/Profiles/AccessLog/Write")  # fmt: skip


_GCP = {OK: "response_sent_by_backend", REFUSED: "failed_to_connect_to_backend", SLOW: "backend_timeout", EXPIRED: "handled_by_identity_aware_proxy"}  # fmt: skip


def gcp_lb(c: Call) -> str:
    return _json(
        {
            "insertId": c.id, "logName": "projects/kestrel/logs/requests", "timestamp": c.zulu, "severity": "INFO", "resource": {"type": "http_load_balancer", "labels": {"backend_service_name": "login", "project_id": "kestrel"}},
            "httpRequest": {"requestMethod": c.method, "requestUrl": f"https://{c.host}{c.target}", "requestSize": "512", "status": c.status, "responseSize": "450", "userAgent": c.agent, "remoteIp": c.client, "latency": f"{c.took_s:.6f}s"},
            "jsonPayload": {"@type": "type.googleapis.com/google.cloud.loadbalancing.type.LoadBalancerLogEntry", "statusDetails": _GCP[c.how]},
        }
    )  # fmt: skip


def cloudflare(c: Call) -> str:
    status = {REFUSED: 521, SLOW: 524}.get(c.how, c.status)
    return _json(
        {
            "ClientIP": c.client, "ClientRequestHost": c.host, "ClientRequestMethod": c.method, "ClientRequestURI": c.target, "ClientRequestScheme": "https", "ClientRequestUserAgent": c.agent, "EdgeResponseStatus": status,
            "EdgeStartTimestamp": c.zulu, "OriginResponseStatus": c.status if c.answered else 0, "RayID": f"8c1f2a3b4c5d{c.number:04x}", "SecurityAction": "managedChallenge" if c.how == EXPIRED else "",
        }
    )  # fmt: skip


# --- proxies of applications and of language models ----------------------------------------------------------------------


def oauth2_proxy(c: Call) -> str:
    if c.host.startswith("login.") and c.how != REFUSED:
        return ""  # it stands in front of applications, not of the authorization server
    stamp = f"[{c.at + timedelta(seconds=c.took_s):%Y/%m/%d %H:%M:%S}]"
    path, status = c.target.replace("/callback", "/oauth2/callback"), c.status
    before = ""
    if c.path == "/callback" and "error" in c.query:
        before = f"{stamp} [oauthproxy.go:871] Error while parsing OAuth2 callback: access_denied\n"
    elif c.how == REFUSED:
        c = c._replace(host="portal.kestrel.test", client="203.0.113.7", agent=PHONE, method="GET")
        path, status = "/oauth2/callback?code=h3Vn8TzKq0LpWd&state=k3%3A%2F", 500
        before = f'{stamp} [oauthproxy.go:887] Error redeeming code during OAuth2 callback: error performing request: Post "https://login.kestrel.test/oauth2/token": dial tcp 10.0.1.9:443: connect: connection refused\n'
    elif c.how == EXPIRED:
        before = f"{c.client}:51834 - {c.id} - jo@kestrel.test {stamp} [AuthFailure] Session validation failed: ID token has expired\n"
    upstream = "-" if path.startswith("/oauth2/") else "/"
    return f'{before}{c.client}:51834 - {c.id} - - {stamp} {c.host} {c.method} {upstream} "{path}" HTTP/1.1 "{c.agent}" {status} 2931 {c.took_s:.3f}'


def apipark_json(c: Call) -> str:
    when = (c.at + timedelta(seconds=c.took_s)).isoformat(timespec="seconds")
    return _json(
        {
            "time_iso8601": when, "request_id": c.id, "request": {"request_method": c.method, "scheme": "https", "request_uri": c.target, "host": c.host, "header": "content-type=application/json", "remote_addr": c.client},
            "proxy": {"proxy_method": c.method, "proxy_scheme": "https", "proxy_uri": c.target, "proxy_host": c.host, "proxy_header": "", "proxy_addr": "10.0.1.9:443"}, "response": {"response_headers": "content-type=application/json"},
            "status_code": {"status": str(c.status), "proxy_status": str(c.status) if c.answered else "0"}, "time": {"request_time": str(c.ms), "response_time": str(c.ms)},
        }
    )  # fmt: skip


def portkey_json(c: Call) -> str:
    body = {"error": {"message": "The access token expired", "code": "invalid_token"}} if c.how == EXPIRED else {}
    return _json(
        {
            "created_at": c.zulu, "request": {"url": f"https://{c.host}{c.target}", "method": c.method, "headers": {"user-agent": c.agent}}, "response": {"status": c.status, "headers": {"content-type": "application/json"}, "body": body, "response_time": c.ms},
            "metadata": {"trace_id": c.id, "span_id": "s1", "span_name": "llm"},
        }
    )  # fmt: skip


def json_access(c: Call) -> str:
    return _json({"timestamp": c.zulu, "level": "info", "verb": c.method, "vhost": c.host, "uri": c.path, "query_string": c.query, "http_status": c.status, "clientip": c.client, "elapsed_ms": c.ms, "useragent": c.agent})  # fmt: skip


WRITERS: dict[str, Callable[[Call], str]] = {
    "envoy-text": envoy_text, "istio-text": istio_text, "istio-json": istio_json, "envoy-gateway-json": envoy_gateway_json, "nginx-proxy-manager": nginx_proxy_manager, "iis-w3c": iis_w3c, "kong-json": kong_json, "apisix-access": apisix_access, "apisix-json": apisix_json, "traefik-common": traefik_common, "traefik-json": traefik_json,
    "aws-alb": aws_alb, "aws-apigw": aws_apigw, "cloudfront": cloudfront, "azure-apim": azure_apim, "azure-appgw": azure_appgw, "azure-frontdoor": azure_frontdoor, "gcp-lb": gcp_lb, "cloudflare": cloudflare,
    "oauth2-proxy": oauth2_proxy, "apipark-json": apipark_json, "portkey-json": portkey_json, "json-access": json_access,
}  # fmt: skip
"""Format -> how it writes one request."""
TOPS = {"cloudfront": CLOUDFRONT_TOP, "iis-w3c": IIS_TOP}
"""What stands before the first record of a file."""


def written(name: str, calls: Iterable[Call]) -> str:
    """A whole log."""
    records = [WRITERS[name](call) for call in calls]
    return TOPS.get(name, "") + "".join(f"{record}\n" for record in records if record)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for form in WRITERS:
        (OUT / f"{form}.log").write_text(written(form, day()), "utf-8")
