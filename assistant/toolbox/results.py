"""What a server answered to a call, as the loop takes it."""

import json
from typing import Any

from mcp_types import CallToolResult, ContentBlock, TextResourceContents

from assistant.chat.interfaces import Media, ToolResult
from assistant.toolbox.sentences import NO_TEXT

ERROR_KEY = "product-mcp/error"  # in a result's `_meta`: {"code": text, "params": object}


def tool_result(answer: CallToolResult) -> ToolResult:
    """Return a call's outcome: what the model reads, images and sounds, and the code of a failure."""
    text = "\n".join(_text(block) for block in answer.content)
    if not text and answer.structured_content is not None:
        text = json.dumps(answer.structured_content, ensure_ascii=False)
    media = tuple(Media(b.mime_type, b.data) for b in answer.content if b.type in ("image", "audio"))
    if not answer.is_error:
        return ToolResult(text or NO_TEXT, media=media)
    code, params = _failure(answer)
    return ToolResult(text or NO_TEXT, is_error=True, media=media, code=code, params=params)


def _failure(answer: CallToolResult) -> tuple[str, dict[str, Any]]:
    match (answer.meta or {}).get(ERROR_KEY):
        case {"code": str(code), "params": dict(params)}:
            return code, params
    return "tool_failed", {}


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
