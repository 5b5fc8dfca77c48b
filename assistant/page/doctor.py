"""`python web.py --check`: what works, what does not, and what to do about it, as a table."""

import asyncio
import sys
from dataclasses import dataclass
from typing import TextIO

from assistant.chat.interfaces import Model, ModelError, Reply
from assistant.chat.turn import MAX_TOOLS
from assistant.page.sentences import explain
from assistant.toolbox import Toolbox
from assistant.toolbox.link import Link

QUESTION = "请调用一次 check 工具。"
CHECK = {"name": "check", "description": "检查工具调用", "parameters": {"type": "object", "properties": {}}}


@dataclass(frozen=True)
class Finding:
    """One line of the table; `advice` says what to do where something is wrong."""

    what: str
    ok: bool
    says: str
    advice: str = ""


async def examine(toolbox: Toolbox, model: Model) -> list[Finding]:
    """Look at every server and at the model, side by side."""
    servers = [_server(link) for link in toolbox.links.values()]
    findings = await asyncio.gather(_model(model), *servers)
    tools = len(toolbox.tools())
    if tools > MAX_TOOLS:
        says = f"共 {tools} 个，模型只能得到前 {MAX_TOOLS} 个"
        findings.append(Finding("工具", False, says, "请在 mcp.json 里停用用不到的服务器"))
    return findings


def report(findings: list[Finding], out: TextIO = sys.stdout) -> int:
    """Print the table and return the exit status: 1 if anything is down."""
    for finding in findings:
        out.write(f"{'✅' if finding.ok else '❌'} {finding.what}：{finding.says}\n")
        if finding.advice:
            out.write(f"   → {finding.advice}\n")
    return 0 if all(finding.ok for finding in findings) else 1


async def _server(link: Link) -> Finding:
    server = link.server
    what = f"服务器 {server.name}"
    if link.status == "disabled":
        switched_off = link.error is not None and link.error.code == "switched_off"
        return Finding(
            what, switched_off, _reason(link), "" if switched_off else "请修改 mcp.json 中的这一项"
        )
    if await link.settled() == "down":
        return Finding(what, False, _reason(link), _advice(link))
    tools = len(link.listed_tools)
    return Finding(what, True, f"{server.address}，{tools} 个工具，协议 {link.protocol_version}")


def _reason(link: Link) -> str:
    return explain(link.error.code, link.error.params) if link.error else "没有连上"


def _advice(link: Link) -> str:
    server = link.server
    code, params = (link.error.code, link.error.params) if link.error else ("", {})
    if params.get("status") == 421:
        return f"请在服务器那边设置 MCP_ALLOWED_HOSTS={server.host}"
    if params.get("status") == 401:
        return '请在 mcp.json 中写明 "headers": {"Authorization": "Bearer ${MCP_TOKEN}"}，并设置 MCP_TOKEN'
    if server.transport == "stdio":
        return f"请检查命令能否单独运行：{server.command}"
    if code == "connect_refused":
        return "请启动它；本项目的 MCP 服务器是：uv run python main.py"
    return "请检查地址、网络和服务器的日志"


async def _model(model: Model) -> Finding:
    what = f"模型 {model.name}"
    if model.demo:
        return Finding(what, True, "内置演示模型；接入自己的模型请设置 OPENAI_API_KEY")
    called = False
    try:
        async for part in model.reply(
            [{"role": "user", "content": QUESTION}], [{"type": "function", "function": CHECK}]
        ):
            called = isinstance(part, Reply) and bool(part.calls)
    except ModelError as error:
        return Finding(
            what,
            False,
            explain(error.code, error.params),
            "请检查 .env 中的 OPENAI_API_KEY、OPENAI_API_BASE 和 LLM_MODEL",
        )
    if not called:
        return Finding(what, False, "有回答，但没有调用工具", "请换一个支持工具调用的模型 (LLM_MODEL)")
    return Finding(what, True, "有回答，会调用工具")
