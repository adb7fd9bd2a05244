"""Makes the samples of captures: ``python -m sample_logs.make.formats.captures``.

curl, Newman (``npm install newman``, its folder on the path) and Chromium ask the laboratory of the other samples, right and
wrong. mitmproxy records them too; of its flows the Burp and Fiddler samples are made, which is not what these programs
wrote themselves: neither can be had here. Newman and Chromium are passed over where they are not installed.
"""

from __future__ import annotations

import base64
import html
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mitmproxy.http import HTTPFlow, Message
from mitmproxy.net.http.http1 import assemble_request, assemble_response

from sample_logs.make.lab import Lab
from sample_logs.make.recording import read_flows, write_flows, write_har

OUT = Path(__file__).parents[2] / "formats"
TOKEN = "https://login.acme.test/oauth/token"
REPORTS = "https://api.acme.test/v1/reports"
JWKS = "https://login.acme.test/oauth/jwks"
GONE = "https://login-eu.acme.test/oauth/token"
AUTHORIZE = "https://login.acme.test/oauth/authorize?" + urlencode(
    {"response_type": "code", "client_id": "portal", "redirect_uri": "http://portal.acme.test/callback", "scope": "openid", "state": "a1b2c3d4e5f6"}
)  # fmt: skip


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Lab(directory, 2.0) as lab:
            secret = lab.provider.store.clients["reports"].secret
            curl(lab, secret)
            run = newman(lab, secret)
            netlog(lab)
        flows = read_flows(directory / "session.mitm")
    if run is not None:
        write(OUT / "newman.json", json.dumps(run, separators=(",", ":")))
        write(OUT / "postman-collection.json", json.dumps(collection(run), indent=1))
    flows = [flow for flow in flows if flow.request.pretty_host.endswith("acme.test")]
    write_har(flows, OUT / "har.har")
    write_flows(flows, OUT / "mitmproxy-flow.mitm")
    write(OUT / "burp.xml", burp(flows))
    saz(flows, OUT / "saz.saz")


def write(file: Path, text: str) -> None:
    file.write_text(f"{text.rstrip()}\n", "utf-8")


# --- curl --------------------------------------------------------------------------------------------------------------------


def curl(lab: Lab, secret: str) -> None:
    form = "grant_type=client_credentials"
    calls = [
        ["-d", f"{form}&client_id=reports&client_secret={secret}", TOKEN],
        ["-d", f"{form}&client_id=reports&client_secret={secret}%0A", TOKEN],
        ["-u", f"reports:{secret}", "-d", form, TOKEN],
        [REPORTS],
        [GONE, "-d", form],
    ]
    session = []
    for call in calls:
        command = ["curl", "-sv", *call]
        session += [f"$ {shlex.join(command)}", asked(lab, command)]
    write(OUT / "curl-v.log", "\n".join(session))
    traces = []
    for option in ("--trace-ascii", "--trace"):
        for call in calls[:3]:
            asked(lab, ["curl", "-s", option, "trace.txt", *call])
            traces.append((lab.directory / "trace.txt").read_text("latin-1"))
    write(OUT / "curl-trace-ascii.log", "".join(traces))


def asked(lab: Lab, command: list[str]) -> str:
    """What curl writes, to both outputs, when it asks nginx itself; nobody knows the name of the server that is gone."""
    where = []
    for host in ("login.acme.test", "api.acme.test"):
        where += ["--connect-to", f"{host}:443:127.0.0.1:{lab.ports['https']}"]
    told = [*command[:1], "--cacert", "authority.pem", *where, *command[1:]]
    done = subprocess.run(told, cwd=lab.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode("utf-8", "replace").rstrip("\n")


# --- Newman and Postman ------------------------------------------------------------------------------------------------------


def newman(lab: Lab, secret: str) -> dict[str, Any] | None:
    """What Newman's JSON reporter writes of a small collection."""
    program = shutil.which("newman")
    if program is None:
        return None

    def form(**fields: str) -> dict[str, Any]:
        return {"mode": "urlencoded", "urlencoded": [{"key": k, "value": v} for k, v in fields.items()]}

    good = form(grant_type="client_credentials", client_id="reports", client_secret=secret)
    cut = form(grant_type="client_credentials", client_id="reports", client_secret=secret[:-1])
    wanted = [("token", "POST", TOKEN, good), ("secret cut short", "POST", TOKEN, cut), ("keys", "GET", JWKS, None),
              ("reports without token", "GET", REPORTS, None), ("another server", "POST", GONE, good)]  # fmt: skip
    items = [
        {"name": name, "request": {"method": method, "header": [], "url": url} | ({"body": body} if body else {})}
        for name, method, url, body in wanted
    ]
    schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    asked_for = {"info": {"name": "reports", "schema": schema}, "item": items}
    (lab.directory / "collection.json").write_text(json.dumps(asked_for))
    command = [program, "run", "collection.json", "-k", "-r", "json", "--reporter-json-export", "run.json"]
    proxy = f"http://127.0.0.1:{lab.ports['proxy']}"
    subprocess.run(
        command, cwd=lab.directory, env=os.environ | {"HTTPS_PROXY": proxy}, stdout=subprocess.DEVNULL, check=False
    )
    run: dict[str, Any] = json.loads((lab.directory / "run.json").read_text())
    return run


def collection(run: dict[str, Any]) -> dict[str, Any]:
    """The collection that ran, with its answers saved as examples."""
    saved = run["collection"]
    for item, execution in zip(saved["item"], run["run"]["executions"], strict=True):
        answer = execution.get("response")
        if answer is not None:
            body = bytes(answer["stream"]["data"]).decode()
            kept = {k: answer[k] for k in ("status", "code", "header", "responseTime")}
            item["response"] = [{"name": item["name"], "originalRequest": execution["request"], **kept, "body": body}]
    return {"info": saved["info"], "item": saved["item"]}


# --- Chromium ----------------------------------------------------------------------------------------------------------------


def netlog(lab: Lab) -> None:
    """A network log as Chromium writes it by default; what belongs to no request of a page is left out."""
    program = shutil.which("chromium")
    if program is None:
        return
    log, page = lab.directory / "net.json", lab.directory / "page.html"
    frames = "".join(
        f'<iframe src="{html.escape(url)}"></iframe>' for url in (AUTHORIZE, AUTHORIZE.replace("http%3A", "https%3A"))
    )
    page.write_text(f"<!doctype html>{frames}<script>fetch('{GONE}', {{method: 'POST'}})</script>")
    command = [
        program, "--headless=new", "--no-sandbox", "--ignore-certificate-errors", f"--user-data-dir={lab.directory}/profile",
        f"--proxy-server=http://127.0.0.1:{lab.ports['proxy']}", f"--log-net-log={log}", "--virtual-time-budget=4000",
        "--disable-background-networking", "--disable-component-update", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=90, check=False)
    document = json.loads(log.read_text())
    constants, kind = document["constants"], document["constants"]["logSourceType"]["URL_REQUEST"]
    kept = ("logEventTypes", "logSourceType", "netError", "logFormatVersion", "timeTickOffset", "logCaptureMode")
    requests = [event for event in document["events"] if event["source"]["type"] == kind]
    ours = {e["source"]["id"] for e in requests if "acme.test" in str(e.get("params", {}).get("url"))}
    used = {e["type"] for e in requests if e["source"]["id"] in ours}
    constants = {name: constants[name] for name in kept if name in constants}
    constants["logEventTypes"] = {name: n for name, n in constants["logEventTypes"].items() if n in used}
    lines = ",\n".join(json.dumps(e, separators=(",", ":")) for e in requests if e["source"]["id"] in ours)
    write(
        OUT / "netlog.json", f'{{"constants":{json.dumps(constants, separators=(",", ":"))},\n"events": [\n{lines}]}}'
    )


# --- Burp and Fiddler --------------------------------------------------------------------------------------------------------


def raw(message: Message | None) -> bytes:
    """A message as it went over the wire; empty when there is none."""
    if message is None:
        return b""
    return assemble_request(message) if hasattr(message, "method") else assemble_response(message)


def burp(flows: list[HTTPFlow]) -> str:
    items = []
    for number, flow in enumerate(flows):
        request, answer = flow.request, flow.response
        coded = number % 2 == 0 or not raw(answer).isascii()

        def content(message: bytes, coded: bool = coded) -> str:
            return (
                base64.b64encode(message).decode()
                if coded
                else message.decode("utf-8", "replace").replace("]]>", "]] >")
            )

        flag = str(coded).lower()
        time = datetime.fromtimestamp(request.timestamp_start, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
        items.append(
            f"  <item>\n    <time>{time}</time>\n    <url><![CDATA[{request.pretty_url}]]></url>\n"
            f'    <host ip="127.0.0.1">{request.pretty_host}</host>\n    <port>{request.port}</port>\n    <protocol>{request.scheme}</protocol>\n'
            f"    <method><![CDATA[{request.method}]]></method>\n    <path><![CDATA[{request.path}]]></path>\n    <extension>null</extension>\n"
            f'    <request base64="{flag}"><![CDATA[{content(raw(request))}]]></request>\n'
            f"    <status>{answer.status_code if answer else ''}</status>\n    <responselength></responselength>\n    <mimetype>JSON</mimetype>\n"
            f'    <response base64="{flag}"><![CDATA[{content(raw(answer))}]]></response>\n    <comment></comment>\n  </item>\n'
        )
    names = (
        "items (item*)",
        "item (time, url, host, port, protocol, method, path, extension, request, status, responselength, mimetype, response, comment)",
    )
    dtd = "".join(f"<!ELEMENT {name}>\n" for name in names) + '<!ATTLIST items burpVersion CDATA "">\n'
    return (
        f'<?xml version="1.0"?>\n<!DOCTYPE items [\n{dtd}]>\n'
        f'<items burpVersion="2026.1" exportTime="Mon May 04 10:20:00 UTC 2026">\n{"".join(items)}</items>'
    )


def saz(flows: list[HTTPFlow], file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        add(archive, "[Content_Types].xml", b'<?xml version="1.0"?><Types/>')
        for number, flow in enumerate(flows, 1):
            request, answer = flow.request, flow.response
            head, _, rest = raw(request).partition(b" ")
            origin = b"" if rest.startswith(b"http") else f"{request.scheme}://{request.pretty_host}".encode()
            absolute = head + b" " + origin + rest
            began = datetime.fromtimestamp(request.timestamp_start, UTC).isoformat()
            ended = (
                datetime.fromtimestamp(answer.timestamp_end, UTC).isoformat()
                if answer and answer.timestamp_end
                else "0001-01-01T00:00:00"
            )
            told = f'<?xml version="1.0"?><Session SID="{number}"><SessionTimers ClientBeginRequest="{began}" ServerDoneResponse="{ended}"/></Session>'
            for name, content in (("c.txt", absolute), ("s.txt", raw(answer)), ("m.xml", told.encode())):
                add(archive, f"raw/{number:02}_{name}", content)


def add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """A member whose time is always the same."""
    archive.writestr(zipfile.ZipInfo(name, (2026, 5, 4, 10, 0, 0)), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
