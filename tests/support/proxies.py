"""The real nginx and HAProxy as ordinary processes, with their files in a test's folder."""

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.support.processes import ROOT, Service, Spawn, require

PIECES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx(spawn: Spawn, http: str, level: str = "error") -> Service:
    """Start nginx with this in its `http`; `level` is that of its error log."""
    folder = spawn.folder
    temporary = "".join(f"{piece}_temp_path {folder}/{piece};\n" for piece in PIECES)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr {level};\nevents {{}}\n"
        f"http {{\n{temporary}{http}\n}}\n"
    )
    return spawn.program(require("nginx"), "-e", "stderr", "-c", str(config))


def haproxy(spawn: Spawn, config: str) -> Service:
    """Start HAProxy with this configuration."""
    file = spawn.folder / "haproxy.cfg"
    file.write_text(config)
    return spawn.program(require("haproxy"), "-db", "-f", str(file))


def as_shipped(name: str, changes: Mapping[str, str]) -> str:
    """Return a file of `deploy/`; the addresses in it, each of which has to be there, are a test's."""
    text = (ROOT / "deploy" / name).read_text()
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def certificate(folder: Path) -> Path:
    """Make a certificate for localhost: cert.pem, key.pem, and both in product-mcp.pem."""
    for_localhost = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    made = ("-x509", "-nodes", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem", *for_localhost)
    command = [require("openssl"), "req", "-newkey", "rsa:2048", *made]
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    both = (folder / "cert.pem").read_text() + (folder / "key.pem").read_text()
    (folder / "product-mcp.pem").write_text(both)
    return folder / "cert.pem"


async def up_in_haproxy(statistics: str, server: str) -> None:
    """Wait until HAProxy takes a server for well."""
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while True:
            rows = [line.split(",") for line in (await http.get(statistics)).text.splitlines()]
            if any(row[1] == server and row[17] == "UP" for row in rows if len(row) > 17):
                return
            await asyncio.sleep(0.05)
