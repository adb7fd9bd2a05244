"""Access log of AWS Application Load Balancers.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#access-log-entry-format

The balancer's own sign-in (action ``authenticate``) comes back to ``/oauth2/idpresponse``; what it thinks of a sign-in
that failed is in the field ``error_reason``. Fields are appended now and then.
"""

from __future__ import annotations

from oauthtrace.sources.log_format import declared

_FIRST = '{word} {ended iso} app/{word} {client address} {word} {word} {word} {word} {status status} {upstream_status status} {number} {number} "{request text}" "{in:user-agent text}" {word} {word} {word} "{request_id text}"'

FORMAT = declared(
    "aws-alb",
    "AWS Application Load Balancer access log",
    f'{_FIRST} "{{text}}" "{{text}}" {{word}} {{time iso}} "{{text}}" "{{out:location text}}" "{{flag:aws-alb text}}"',
    _FIRST,
    tail=True,
)
