"""Apache's access log with the virtual host before each line: https://httpd.apache.org/docs/2.4/logs.html#virtualhost."""

from __future__ import annotations

from oauthtrace.oauth.observe import ACCESS_LOG
from oauthtrace.sources.gateways.nginx_combined import line_of, read, share_of

NAME = "apache-vhost-combined"
TITLE = "Apache access log: vhost_combined"
SEES = ACCESS_LOG
BY_LINE = True
SURE = 0.85

__all__ = ["BY_LINE", "NAME", "SEES", "SURE", "TITLE", "line_of", "read", "sniff"]


def sniff(head: bytes) -> float:
    return share_of(head, vhost=True, agent=True, sure=1.0)
