"""Makes the samples of ``sample_logs/formats`` that real software writes: ``python -m sample_logs.make.formats [NAME …]``.

Each gateway that is installed (nginx, apache2 with mod_auth_openidc, haproxy, caddy) stands on the loopback interface in
front of the authorization server of the other samples, sees the same small day, and writes its logs. LiteLLM (by pip, in
an environment of its own whose programs are on the path) stands in front of two made-up models.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from sample_logs.make.authorization_server import Provider
from sample_logs.make.lab import end, free_port, registered_clients, serving, wait_for

from . import traffic

HERE = Path(__file__).parent
OUT = HERE.parents[1] / "formats"


class Gateway(NamedTuple):
    """A program: its name, its configuration here, the command that runs it, and what it writes (``-``: standard output)."""

    name: str
    settings: str
    command: list[str]
    logs: dict[str, str]


GATEWAYS = (
    Gateway(
        "nginx",
        "nginx.conf",
        ["nginx", "-p", "@directory@", "-c", "nginx.conf", "-e", "nginx-error.log"],
        {f"{name}.log": f"{name}.log" for name in ("nginx-combined", "nginx-custom", "nginx-json", "nginx-error")},
    ),
    Gateway(
        "apache2",
        "apache.conf",
        ["apache2", "-f", "@directory@/apache.conf", "-DFOREGROUND"],
        {f"{name}.log": f"{name}.log" for name in ("apache-vhost-combined", "apache-common", "apache-error")},
    ),
    Gateway("haproxy", "haproxy.cfg", ["haproxy", "-db", "-f", "@directory@/haproxy.cfg"], {"-": "haproxy-http.log"}),
    Gateway(
        "litellm",
        "litellm.yaml",
        ["sh", "-c", "JSON_LOGS=True exec litellm --config litellm.yaml --host 127.0.0.1 --port @gateway@ 2>&1"],
        {"-": "litellm-json.log"},
    ),
    Gateway("caddy", "Caddyfile", ["caddy", "run", "--config", "Caddyfile"], {"caddy-json.log": "caddy-json.log"}),
)


def main(wanted: list[str]) -> None:
    OUT.mkdir(exist_ok=True)
    for gateway in GATEWAYS:
        if wanted and gateway.name not in wanted:
            continue
        if shutil.which(gateway.name) is None:
            print(f"{gateway.name} is not installed: its samples stay as they are")
            continue
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            directory.chmod(0o755)
            play(gateway, directory)
            for log, sample in gateway.logs.items():
                written = (directory / ("out.log" if log == "-" else log)).read_text("utf-8", "surrogateescape")
                written = tidied(written, directory)
                (OUT / sample).write_text(written, "utf-8", "surrogateescape")
                print(f"{sample}: {written.count(chr(10))} lines")


def tidied(written: str, directory: Path) -> str:
    """A log without where it was made, and without a banner before its first record."""
    home = str(Path(shutil.which("litellm") or "/opt/litellm/bin/litellm").parents[1])
    written = written.replace(str(directory), "/srv/gateway").replace(home, "/opt/litellm")
    lines = [line for line in written.splitlines(keepends=True) if "cost map" not in line]
    if any(line.startswith('{"message": ') for line in lines):
        lines = [line for line in lines if line.startswith("{")]
    return "".join(lines)


def play(gateway: Gateway, directory: Path) -> None:
    """Run the gateway in front of everything, and the day through it."""
    clients = registered_clients()
    secret = next(client.secret for client in clients if client.client_id == "portal")
    ports = {name: free_port() for name in ("gateway", "provider", "portal", "models", "closed")}
    with ExitStack() as stack:
        ports["silent"] = stack.enter_context(traffic.silent())
        stack.enter_context(serving(Provider(clients, code_lifetime=60).app, ports["provider"]))
        stack.enter_context(serving(traffic.portal(), ports["portal"]))
        stack.enter_context(serving(traffic.models(), ports["models"]))
        stack.enter_context(running(gateway, directory, ports))
        if gateway.name == "litellm":
            traffic.model_day(ports["gateway"])
        else:
            traffic.day(ports["gateway"], secret, openid_module=gateway.name == "apache2")


@contextmanager
def running(gateway: Gateway, directory: Path, ports: dict[str, int]) -> Iterator[None]:
    """The gateway, from when it listens until its last line is written."""
    names = {name: str(port) for name, port in ports.items()} | {"directory": str(directory)}

    def fill(text: str) -> str:
        return re.sub(r"@(\w+)@", lambda found: names[found[1]], text)

    (directory / gateway.settings).write_text(fill((HERE / gateway.settings).read_text()))
    with (directory / "out.log").open("wb") as out, (directory / "err.log").open("wb") as err:
        command, environment = list(map(fill, gateway.command)), os.environ | {"HOME": str(directory)}
        program = subprocess.Popen(command, cwd=directory, env=environment, stdout=out, stderr=err)
        try:
            wait_for(ports["gateway"])
            yield
            time.sleep(0.5)
        finally:
            end(program)


if __name__ == "__main__":
    main(sys.argv[1:])
