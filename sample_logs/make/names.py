"""An addon for mitmdump: *.acme.test lives on the loopback interface.

Connections keep the client's own address, so that nginx sees who calls.
"""

import os

from mitmproxy.proxy.server_hooks import ServerConnectionHookData

PORTS = {80: int(os.environ["ACME_HTTP"]), 443: int(os.environ["ACME_HTTPS"])}
NOBODY = {"login-eu.acme.test"}  # a name whose server is gone
DISCARD = 9

asked: dict[str, tuple[str, int]] = {}


def server_connect(data: ServerConnectionHookData) -> None:
    """Redirects a connection that is about to be made."""
    host, port = data.server.address or ("", 0)
    asked[data.server.id] = (host, port)
    data.server.address = ("127.0.0.1", DISCARD if host in NOBODY else PORTS[port])
    data.server.sockname = (data.client.peername[0], 0)


def server_connected(data: ServerConnectionHookData) -> None:
    """Gives the connection its name back: that is how it is recorded, and found again for the next request.

    mitmproxy forbids to change the address of an open connection, hence the detour.
    """
    vars(data.server)["address"] = asked.pop(data.server.id)
