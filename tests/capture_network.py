"""A second machine, with a network namespace of its own (Linux, root): it reaches this one over one cable."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

NAME = "oauthtrace-test"
HERE, THERE = "10.213.0.1", "10.213.0.2"
SERVER = "10.213.1.1"
"""An address of this machine that the other one reaches through a router only, as it does the Internet's."""


def lacking(*commands: str) -> str | None:
    """Why there can be no such machine; None when there can."""
    missing = [command for command in ("ip", *commands) if not shutil.which(command)]
    if os.geteuid() or missing:
        return f"a second machine needs root and {', '.join(missing) or 'nothing else'}"
    if _ip("netns", "add", NAME, check=False):
        return "this kernel gives no network namespace"
    _ip("netns", "del", NAME)
    if (
        "iptables" in commands
        and subprocess.run(["iptables", "-t", "nat", "-L"], capture_output=True, check=False).returncode
    ):
        return "this kernel redirects no connections"
    if "wireguard-go" in commands and not os.access("/dev/net/tun", os.W_OK):
        return "this kernel has no tunnels"
    return None


@contextlib.contextmanager
def machine() -> Iterator[list[str]]:
    """The beginning of a command that is to run on the other machine."""
    _ip("netns", "add", NAME)
    try:
        _ip("link", "add", "ot-here", "type", "veth", "peer", "name", "ot-there", "netns", NAME)
        _ip("address", "add", f"{HERE}/24", "dev", "ot-here")
        _ip("link", "set", "ot-here", "up")
        _ip("address", "add", f"{SERVER}/32", "dev", "lo")
        _ip("-n", NAME, "address", "add", f"{THERE}/24", "dev", "ot-there")
        _ip("-n", NAME, "link", "set", "ot-there", "up")
        yield ["ip", "netns", "exec", NAME]
    finally:
        _ip("address", "del", f"{SERVER}/32", "dev", "lo", check=False)
        _ip("netns", "del", NAME, check=False)
        _ip("link", "del", "ot-here", check=False)


@contextlib.contextmanager
def redirected(port: int, proxy: int) -> Iterator[None]:
    """This machine is the other one's router, and hands its connections to a port of the server to a proxy."""
    rule = ["PREROUTING", "-i", "ot-here", "-p", "tcp", "--dport", str(port), "-j", "REDIRECT", "--to-port", str(proxy)]
    _ip("-n", NAME, "route", "replace", "default", "via", HERE)
    subprocess.run(["iptables", "-t", "nat", "-A", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run(["iptables", "-t", "nat", "-D", *rule], check=True)


@contextlib.contextmanager
def tunnelled(configuration: Path, port: int, folder: Path) -> Iterator[None]:
    """The other machine sends everything through WireGuard, as a phone does that has scanned mitmproxy's code."""
    keys = json.loads(configuration.read_text())
    public = subprocess.run(["wg", "pubkey"], input=keys["server_key"], capture_output=True, text=True, check=True)
    settings = folder / "wg.conf"
    settings.write_text(
        f"[Interface]\nPrivateKey = {keys['client_key']}\n[Peer]\nPublicKey = {public.stdout}AllowedIPs = 0.0.0.0/0\nEndpoint = {HERE}:{port}\n"
    )
    there = ["ip", "netns", "exec", NAME]
    tunnel = subprocess.Popen(
        [*there, "wireguard-go", "-f", "ot-wg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            if not _ip("-n", NAME, "link", "show", "ot-wg", check=False):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                tunnel.wait(0.1)
        subprocess.run([*there, "wg", "setconf", "ot-wg", str(settings)], check=True)
        _ip("-n", NAME, "address", "add", "10.0.0.1/32", "dev", "ot-wg")
        _ip("-n", NAME, "link", "set", "ot-wg", "up", "mtu", "1280")
        _ip("-n", NAME, "route", "replace", "default", "dev", "ot-wg")
        yield
    finally:
        tunnel.terminate()
        tunnel.wait()


def _ip(*arguments: str, check: bool = True) -> int:
    return subprocess.run(["ip", *arguments], check=check, capture_output=True).returncode
