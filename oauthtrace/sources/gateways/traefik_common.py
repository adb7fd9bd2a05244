"""Traefik's access log in its ``common`` format: https://doc.traefik.io/traefik/observability/access-logs/#format."""

from __future__ import annotations

from oauthtrace.sources.log_format import declared

FORMAT = declared(
    "traefik-common",
    "Traefik access log, common format",
    '{client address} - {user text} [{time clf}] "{request text}" {status status} {number} "{in:referer text}" "{in:user-agent text}" {number} "{text}" "{text}" {took_ms number}ms',
)
