"""What came of a request or of a connection, as text for a model and a person."""

import json
from collections.abc import Sequence
from typing import Literal

import httpx2
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
    CallToolResult,
    ContentBlock,
    TextResourceContents,
)

from assistant.chat.interfaces import Media, ToolResult
from assistant.toolbox.config import Server

# What the SDK says where the server said nothing: for a status, and for an answer that is none.
STAND_INS = ("Server returned an error response", "Not Found", "Session terminated")
NONSENSE = ("Unexpected content type", "server answered a request with 202")
UNANSWERED = {
    "lost": "在回答之前断开了连接",
    "refused": "暂时不能回答 (HTTP 5xx)",
    "late": "没有及时回答",
    "garbled": "的回答无法读懂",
}
REFUSALS = {
    401: "：需要有效的令牌，请在 mcp.json 的 headers 里填写 Authorization",
    403: "：服务器拒绝了这个来源",
    404: "：这个地址上没有 MCP 服务，请检查 URL 的路径",
    421: "：服务器不接受这个 Host，请把它加进服务器的 MCP_ALLOWED_HOSTS",
}

EMPTY = "✅ 操作完成，但没有返回文本内容"


class NoAnswerError(Exception):
    """A request was sent and its answer did not come; `never_ran` where it was refused before any work."""

    def __init__(
        self, what: Literal["lost", "refused", "late", "garbled"], *, never_ran: bool = False
    ) -> None:
        super().__init__(UNANSWERED[what])
        self.what = what  # the connection is lost; a 5xx; time ran out; what came is no MCP
        self.never_ran = never_ran


def unanswered(error: Exception, statuses: Sequence[int], *, handshake: bool) -> NoAnswerError | None:
    """Tell a request that got no answer, by the HTTP statuses of its attempts, from one that was refused."""
    first = statuses[0] if statuses else 0
    if not isinstance(error, MCPError):
        return NoAnswerError("lost")
    if handshake and first == 404:  # the session is gone: the server was restarted
        return NoAnswerError("lost", never_ran=True)
    if error.code == CONNECTION_CLOSED:
        return NoAnswerError("lost")
    if error.code == REQUEST_TIMEOUT:
        return NoAnswerError("late")
    if error.message in STAND_INS and first >= 500:
        return NoAnswerError("refused")
    if 200 <= first < 300 and (error.code == PARSE_ERROR or error.message.startswith(NONSENSE)):
        return NoAnswerError("garbled")
    return None


def read_result(result: CallToolResult) -> ToolResult:
    """Read what a server answered."""
    text = "\n".join(_text(block) for block in result.content)
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    media = tuple(Media(b.mime_type, b.data) for b in result.content if b.type in ("image", "audio"))
    return ToolResult(text or EMPTY, is_error=bool(result.is_error), media=media)


def _text(block: ContentBlock) -> str:
    match block.type:
        case "text":
            return block.text
        case "image" | "audio":
            return f"[{block.mime_type}，{len(block.data) * 3 // 4} 字节]"
        case "resource_link":
            return f"[{block.name} {block.uri}]"
        case "resource":
            inner = block.resource
            return (
                inner.text if isinstance(inner, TextResourceContents) else f"[{inner.uri}，{inner.mime_type}]"
            )


def is_refused(error: BaseException) -> bool:
    """Whether nothing listens there: such a try costs neither side anything."""
    return isinstance(_cause(error), httpx2.ConnectError)


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def explain(error: BaseException, server: Server, status: int) -> str:
    """Say in a sentence why a connection broke."""
    refusal = f"HTTP {status}{REFUSALS.get(status, '')}" if status >= 400 else ""
    error = _cause(error)
    match error:
        case httpx2.ConnectError():
            return f"连不上 {server.address}，服务器启动了吗？"
        case httpx2.TimeoutException() | TimeoutError():
            return f"{server.address} 没有及时回答"
        case httpx2.TransportError():
            return f"与 {server.address} 的连接断开了"
        case FileNotFoundError() | PermissionError():
            return f"无法运行命令 {server.command}：{error.strerror}"
        case MCPError(code=code) if code == CONNECTION_CLOSED:
            return refusal or f"{server.address} 断开了连接"
        case MCPError(message=message):
            return refusal if refusal and message in STAND_INS else message
        case _:  # not its text, which may hold a URL with a password
            return refusal or f"与 {server.address} 的连接失败（{type(error).__name__}）"
