"""Makes the samples of carriers: ``python -m sample_logs.make.formats.carriers``, as root.

What is carried is ``nginx-combined.log``, which nginx wrote. Where the carrier's own software can be had by apt it writes the
sample: systemd-journald and journalctl; rsyslogd, with lines from logger; conmon, which writes the logs of Podman's and
CRI-O's containers. Elastic's logger for Python (pip: ecs-logging) writes ``ecs-json.app.log``. The others are composed by
their documentation, see ``wrapping``.
"""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .wrapping import WRAPPERS, written

OUT = Path(__file__).parents[2] / "formats"
CARRIED = OUT / "nginx-combined.log"
FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,PRIORITY,_HOSTNAME,_PID,_TRANSPORT"
JOURNALD = Path("/usr/lib/systemd/systemd-journald")
RUNTIME = """#!/bin/sh
# stands for an OCI runtime: create --pid-file FILE ID starts a program, and conmon takes what it writes
while [ $# -gt 0 ]; do [ "$1" = --pid-file ] && file=$2; shift; done
(sleep 0.3; cat {log}) &
echo $! > "$file"
"""
RSYSLOG = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/log" CreatePath="on")
$EscapeControlCharactersOnReceive on
*.* action(type="omfile" file="{folder}/traditional" template="RSYSLOG_TraditionalFileFormat")
*.* action(type="omfile" file="{folder}/rfc5424" template="RSYSLOG_SyslogProtocol23Format")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")
"""


@contextmanager
def running(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def journald() -> None:
    Path("/run/systemd/journal").mkdir(parents=True, exist_ok=True)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    with running(str(JOURNALD)):
        subprocess.run(["systemd-cat", "-t", "nginx"], stdin=CARRIED.open(), check=True)
        time.sleep(1)
        for output, name in (
            ("json", "journald-json.log"),
            ("export", "journald-export.log"),
            ("short-iso", "syslog.short-iso.log"),
        ):
            command = [
                "journalctl",
                f"--output-fields={FIELDS}",
                "-o",
                output,
                "-t",
                "nginx",
                "--since",
                since,
                "--no-pager",
                "-q",
                "--utc",
            ]
            (OUT / name).write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)


def rsyslog() -> None:
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder, received = Path(name), bytearray()

        def receive() -> None:
            connection, _ = server.accept()
            while data := connection.recv(65536):
                received.extend(data)

        threading.Thread(target=receive, daemon=True).start()
        settings = folder / "rsyslog.conf"
        settings.write_text(RSYSLOG.format(folder=folder, port=server.getsockname()[1]))
        with running("rsyslogd", "-n", "-f", str(settings), "-i", str(folder / "pid")):
            subprocess.run(["logger", "-u", str(folder / "log"), "-t", "nginx", "-i", "-f", str(CARRIED)], check=True)
            time.sleep(1)
        for source, target in (("traditional", "syslog.log"), ("rfc5424", "syslog.rfc5424.log")):
            shutil.copy(folder / source, OUT / target)
        (OUT / "syslog.counted.log").write_bytes(received)


def conmon() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runtime = folder / "runtime"
        runtime.write_text(RUNTIME.format(log=CARRIED))
        runtime.chmod(0o755)
        command = [
            "conmon",
            "--sync",
            "-r",
            str(runtime),
            "-c",
            "gateway",
            "-u",
            "gateway",
            "-n",
            "gateway",
            "-b",
            str(folder),
            "-p",
            str(folder / "pid"),
        ]
        log = folder / "log"
        subprocess.run(
            [*command, "-l", f"k8s-file:{log}", "--exit-dir", str(folder), "--socket-dir-path", str(folder)],
            check=False,
            timeout=20,
        )
        time.sleep(1.5)
        (OUT / "cri.log").write_bytes(log.read_bytes())


def redeem() -> None:
    raise PermissionError("invalid_grant: the code was redeemed before")


def ecs() -> None:
    import ecs_logging  # noqa: PLC0415 - none of the project's own

    file = OUT / "ecs-json.app.log"
    logger = logging.getLogger("portal")
    handler = logging.FileHandler(file, mode="w")
    handler.setFormatter(ecs_logging.StdlibFormatter(exclude_fields=["log.original", "process"]))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.info("listening on port 8000")
    try:
        redeem()
    except PermissionError:
        logger.exception("token exchange failed for client_id=%s", "portal")
    logger.info("served /orders in 3 ms")
    handler.close()
    here = Path(__file__)
    file.write_text(file.read_text().replace(str(here), "/srv/portal/app.py").replace(here.name, "app.py"))


REAL: dict[str, Callable[[], None]] = {str(JOURNALD): journald, "rsyslogd": rsyslog, "conmon": conmon}


def main() -> None:
    lines = written(CARRIED.read_text().splitlines())
    for name, (_, wrap) in WRAPPERS.items():
        (OUT / name).write_bytes(wrap(lines))
    for program, make in REAL.items():
        if shutil.which(program):
            make()
        else:
            print(f"{program}: not installed; its samples are composed by its documentation")
    try:
        ecs()
    except ImportError:
        print("ecs-logging: not installed; ecs-json.app.log stays as it is")


if __name__ == "__main__":
    main()
