"""`python web.py --check`: what works, what does not, and what to do about it, as a table."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from assistant.chat.interfaces import Model
from assistant.llm.model import failure_of
from assistant.page.sentences import ADVICE, FINDINGS, explain
from assistant.toolbox import Toolbox
from assistant.toolbox.link import Link
from serving import VERSION, network
from serving.errors import CodedError, sentence
from serving.logs import printable

PROXY_SECONDS = 3.0  # to connect to one


@dataclass(frozen=True)
class Finding:
    """One line of the table, by code; `advice` is the code of what to do, and empty if all is well.

    A `reason` among the parameters is a CodedError.
    """

    code: str
    params: Mapping[str, Any]
    advice: str = ""
    notes: Sequence[CodedError] = ()


async def examine(
    toolbox: Toolbox, model: Model, addresses: Sequence[str] = (), source: str = ""
) -> list[Finding]:
    """Look at the model and at every server, side by side, then at the shop and at what leads to them.

    `source` says where the model comes from; `addresses` are called beside those of the servers.
    """
    links = toolbox.links.values()
    findings = await asyncio.gather(_examine_model(model, source), *map(_examine_server, links))
    if not links:
        findings.append(Finding("no_servers", {"folder": Path.cwd()}, "name_servers"))
    for link in links:
        if link.versions:
            findings += [await _examine_shop(toolbox, link), _compared(link)]
    called = [*addresses, *(link.server.url for link in links if link.server.url)]
    return [*findings, *await asyncio.gather(*map(_examine_proxy, network.proxies(called))), *_certificates()]


def report(findings: list[Finding], out: TextIO = sys.stdout) -> int:
    """Print the table and return the exit status: 1 if anything is wrong."""
    for finding in findings:
        params = dict(finding.params)
        if reason := params.get("reason"):
            params["reason"] = explain(reason.code, reason.params)
        out.write(
            f"{'❌' if finding.advice else '✅'} {printable(sentence(FINDINGS, finding.code, params))}\n"
        )
        out.writelines(f"   · {printable(explain(note.code, note.params))}\n" for note in finding.notes)
        if finding.advice:
            out.write(f"   → {printable(sentence(ADVICE, finding.advice, params))}\n")
    return 1 if any(finding.advice for finding in findings) else 0


async def _examine_server(link: Link) -> Finding:
    server = link.server
    status = await link.settled()
    known = {"server": server.name, "address": server.address, "host": server.host, "command": server.command}
    if status in ("disabled", "down", "untrusted", "sign_in"):
        error = link.error or CodedError("not_connected")
        return Finding(status, known | {"reason": error}, _advice(link, error))
    tools = len(link.listing.tools)
    about = known | {"tools": tools, "version": link.protocol_version}
    return Finding("ready", about, notes=[*link.notes, *link.listing.skipped])


async def _examine_shop(toolbox: Toolbox, link: Link) -> Finding:
    """Ask the shop by way of its MCP server, as a chat does."""
    name = {"server": link.server.name}
    answer = await toolbox.call(link.server.name, "get_products", {"limit": 1})
    if answer.is_error:
        return Finding("shop_failed", name | {"said": answer.text}, "start_shop")
    return Finding("shop_ready", name)


def _compared(link: Link) -> Finding:
    versions = {"web.py": VERSION, **link.versions}
    told = {"versions": "，".join(f"{name} {version or '?'}" for name, version in versions.items())}
    is_one = {version or VERSION for version in versions.values()} == {VERSION}
    return Finding("versions", told, "" if is_one else "update")


async def _examine_proxy(proxy: network.Proxy | CodedError) -> Finding:
    if isinstance(proxy, CodedError):
        return Finding("network", {"reason": proxy}, "mend_variable")
    params = {"variable": proxy.variable, "proxy": proxy.shown, "hosts": "、".join(proxy.hosts) or "—"}
    try:
        async with asyncio.timeout(PROXY_SECONDS):
            _, writer = await asyncio.open_connection(*proxy.address)
        writer.close()
    except OSError:
        return Finding("proxy_down", params, "mend_proxy")
    return Finding("proxy", params)


def _certificates() -> list[Finding]:
    if error := network.certificates_missing():
        return [Finding("network", {"reason": error}, "mend_variable")]
    return [] if network.has_certificates() else [Finding("no_certificates", {}, "install_certificates")]


def _advice(link: Link, error: CodedError) -> str:
    if link.status == "untrusted":
        return "allow_command"
    if link.status == "sign_in":
        return "sign_in"
    if link.status == "disabled":
        return "" if error.code == "switched_off" else "edit_entry"
    if error.code == "http_status" and error.params["status"] in (401, 421):
        return "send_token" if error.params["status"] == 401 else "allow_host"
    if link.server.transport == "stdio":
        return "try_command"
    return "start_server" if error.code == "connect_refused" else "check_address"


async def _examine_model(model: Model, source: str) -> Finding:
    about = {"model": model.name, "source": source}
    if model.demo:
        return Finding("model_demo", about)
    failure = await failure_of(model)
    if failure is None:
        return Finding("model_ready", about)
    advice = "choose_model" if failure.code == "model_calls_nothing" else "check_model_settings"
    return Finding("model_failed", about | {"reason": failure}, advice)
