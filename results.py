"""What came of a tool call, as text for a model and a person, and what was pictures or sound."""

import json
from dataclasses import dataclass

from mcp_types import CallToolResult, ContentBlock, TextResourceContents

EMPTY = "✅ 操作完成，但没有返回文本内容"


@dataclass(frozen=True)
class Media:
    """An image or a sound of a result, in base64."""

    mime_type: str
    data: str


@dataclass(frozen=True)
class ToolResult:
    """A call's outcome as text; `unknown` if it may have happened or not, `unreachable` if it did not."""

    text: str
    is_error: bool = False
    unknown: bool = False
    unreachable: bool = False
    media: tuple[Media, ...] = ()


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
