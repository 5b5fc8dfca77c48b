"""What a result says: to the model as text, to the person with pictures and sounds; nothing is dropped."""

import asyncio
import base64
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mcp_types import SERVER_INFO_META_KEY

from assistant.chat.arguments import is_writable_json
from assistant.chat.interfaces import Media, ToolResult
from assistant.toolbox.jsonc import with_texts
from assistant.toolbox.raw_results import Large, in_words, is_deep, respelt, text_of
from assistant.toolbox.sentences import FAILED_WITHOUT_TEXT, NO_TEXT
from serving.redaction import redacted

# In a result's `_meta`: {"code": text, "params": object}; True for a call that had run before under its key.
ERROR_KEY, REPLAYED_KEY = "product-mcp/error", "product-mcp/replayed"
TEXT_KEY = "product-mcp/text"  # in that of a question or a block: the same form says what its text says

MAX_WORDING = 8  # levels of the parameters of a text
MAX_WRAPPED = 3  # results around a result
KNOWN = ("content", "structuredContent", "isError", "_meta", "resultType")  # of a result
FAILED = ("error", "failed", "failure")  # as a `status`
TEXTS = ("text", "markdown", "output_text", "input_text")  # types of blocks

WEB = ("https://", "http://")
SEEN = ("image", "image_url", "audio", "video", "file", "document", "media")  # types of blocks
HEADS = {  # how base64 of a picture or sound begins whose type is not said
    **{"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"},
    **{"SUQz": "audio/mpeg", "T2dnUw": "audio/ogg"},
}

_STANDARD = str.maketrans("-_", "+/", " \r\n")  # base64
# A text in JSON that is long and has no words in it: base64, or a data URL.
_LONG = re.compile(r'"((?:data:[\w.+/;=-]*,)?(?:[\w+/-]|\\[rn]){1000,}=*(?:\\[rn])*)"', re.ASCII)
_MIME = re.compile(r"[\w.+-]+/[\w.+-]+")


async def read_result(raw: dict[str, Any], *, for_app: bool = False) -> ToolResult:
    """Return a call's outcome; `for_app` with what an app is shown of it, which is never much."""
    if isinstance(raw, Large):
        return await asyncio.to_thread(_read, raw)
    return _read(raw, for_app=for_app)


def _app_part(raw: dict[str, Any], text: str, parsed: Any) -> dict[str, Any] | None:
    """Return what a result's text does not say.

    `structuredContent` is True where the text is its JSON, or that of the list which its `result` is.
    """
    part: dict[str, Any] = {key: raw[key] for key in ("structuredContent", "_meta") if key in raw}
    if isinstance(meta := part.get("_meta"), dict) and SERVER_INFO_META_KEY in meta:
        # Every answer since 2026-07-28 says who the server is, with its icon.
        part["_meta"] = {key: value for key, value in meta.items() if key != SERVER_INFO_META_KEY}
    match raw.get("content"):
        case [{"type": "text", "text": str(said)}] if said == text:
            whole = {"result": parsed} if isinstance(parsed, list) else parsed
            if whole is not None and part.get("structuredContent") == whole:
                part["structuredContent"] = True
        case content:
            part["content"] = content
    if not is_writable_json(part):
        return None
    written = json.dumps(part, ensure_ascii=False)
    return part if redacted(written) == written else None


def _read(raw: dict[str, Any], *, for_app: bool = False) -> ToolResult:
    raw = _unwrapped(raw)
    texts, media = read_blocks(raw.get("content"))
    structured = raw.get("structuredContent")
    parsed = [] if structured is None else [*map(_parsed, texts)]
    if structured is not None and not _is_said(structured, parsed, texts):
        texts.append(json.dumps(structured, ensure_ascii=False))
    if not any(texts) and (rest := {key: value for key, value in raw.items() if key not in KNOWN}):
        texts.append(json.dumps(rest, ensure_ascii=False))
    elif raw.get("error"):
        texts.append(in_words(raw["error"]))
    text = redacted("\n".join(filter(None, texts)))
    app = _app_part(raw, text, parsed[0] if parsed else None) if for_app else None
    meta = raw.get("_meta")
    meta = meta if isinstance(meta, dict) else {}
    if not _is_error(raw):
        return ToolResult(text or NO_TEXT, replayed=meta.get(REPLAYED_KEY) is True, media=media, app=app)
    match meta.get(ERROR_KEY):
        case {"code": str(code), "params": dict(params)} if not is_deep(params):
            pass
        case _:
            code, params = "tool_failed", {}
    unknown = code == "outcome_unknown"
    said = text or FAILED_WITHOUT_TEXT
    return ToolResult(said, True, unknown, media=media, code=code, params=params, app=app)


def _is_error(raw: dict[str, Any]) -> bool:
    """Whether a result is a failure: as it says, in whatever form, or since all that it holds is an error.

    What stands in its content is a tool's own words, which may be of another's failure.
    """
    said = raw.get("isError")
    if said is None:
        is_bare = not raw.get("content") and raw.get("structuredContent") is None
        said = raw.get("error") or (is_bare and _is_refusal(raw))
        said = said or False in (raw.get("success"), raw.get("ok")) or raw.get("status") in FAILED
    return bool(said) and str(said).strip().lower() not in ("false", "no", "none", "null", "0", "")


def _is_refusal(raw: dict[str, Any]) -> bool:
    """Whether what came in the place of a result is only why there is none: of an HTTP API, or of GraphQL."""
    if raw.get("data"):
        return False
    codes = [raw[key] for key in ("code", "status", "statusCode") if isinstance(raw.get(key), int)]
    numbers = [raw[key] for key in ("errcode", "error_code") if isinstance(raw.get(key), int)]
    return any(400 <= code < 600 for code in codes) or any(numbers) or bool(raw.get("errors"))


def _unwrapped(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the result within a result: what stands between us and a server may wrap it, also as a text."""
    for _ in range(MAX_WRAPPED):
        inner: Any = None
        match raw:
            case {"structuredContent": value} if value is not None:
                pass
            case {"content": [{"type": "tool_result", **block}]}:
                inner = {key: value for key, value in block.items() if key in KNOWN}
            case {"content": str(text)} | {"content": [{"type": "text", "text": str(text)}]} if (
                text.lstrip().startswith("{") and '"content"' in text and "rror" in text
            ):
                inner = respelt(_parsed(text))
            case {"result": value} if not raw.get("content"):
                inner = value
        if _is_error(raw) or not isinstance(inner, dict) or not _is_result(inner):
            break
        raw = inner
    return raw


def _is_result(value: dict[str, Any]) -> bool:
    """Whether a value is a whole result of MCP, and nothing else."""
    content = value.get("content")
    blocks = content if isinstance(content, list) else [None]
    return all(isinstance(each, dict) and "type" in each for each in blocks) and value.keys() <= {*KNOWN}


def wording_of(meta: Any) -> dict[str, Any] | None:
    """Return the code and parameters by which a text may be known, out of its `_meta`."""
    match meta.get(TEXT_KEY) if isinstance(meta, dict) else None:
        case {"code": str(code), "params": dict(params)} if not is_deep(params, MAX_WORDING):
            return {"code": code, "params": with_texts(params, redacted)}
    return None


async def read_contents(raw: dict[str, Any], uri: str) -> list[dict[str, Any]]:
    """Return the contents of the resource `uri`, each with its uri, mimeType, and text or blob.

    That of an app has `ui`, what it asks of its host.
    """
    return await asyncio.to_thread(_contents, raw, uri) if isinstance(raw, Large) else _contents(raw, uri)


def _contents(raw: dict[str, Any], uri: str) -> list[dict[str, Any]]:
    contents = raw.get("contents", raw.get("content"))
    listed = contents if isinstance(contents, list) else [contents] if contents else []
    return [_content(each if isinstance(each, dict) else {"text": each}, uri) for each in listed]


def _content(given: dict[str, Any], uri: str) -> dict[str, Any]:
    content: dict[str, Any] = {"uri": text_of(given, "uri") or uri, "mimeType": text_of(given, "mimeType")}
    if isinstance(blob := given.get("blob"), str):
        content["blob"] = blob.translate(_STANDARD)
    if "text" in given or "blob" not in content:
        text = given.get("text", given)
        text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
        content["text"] = redacted(text.lstrip("\ufeff"))
    match given:
        case {"_meta": {"ui": dict(ui)}} if is_writable_json(ui):
            content["ui"] = ui
    return content


def read_blocks(blocks: Any) -> tuple[list[str], tuple[Media, ...]]:
    """Return the text of each content block, and what can be seen or heard of them."""
    read = [_block(block) for block in (blocks if isinstance(blocks, list) else [blocks] if blocks else [])]
    return [text for text, _ in read], tuple(medium for _, medium in read if medium)


def _block(block: Any) -> tuple[str, Media | None]:
    match block:
        case str():
            return block, None
        case {"type": "resource_link", "uri": str(uri)}:
            name = text_of(block, "title") or text_of(block, "name")
            shown = f"[{f'{name} {uri}'.strip()}] {text_of(block, 'description')}".strip()
            return shown, Media(text_of(block, "mimeType"), "", uri, name)
        case {"type": "resource"} if inner := _resource_in(block):
            return _resource(text_of(inner, "uri"), inner)
        case {"text": str(text), **rest} if str(rest.get("type", "text")).lower() in TEXTS:
            return text.lstrip("\ufeff"), None
        case {"type": "text", "text": value} if value is not None:
            return json.dumps(value, ensure_ascii=False), None
    data, mime, name = _encoded(block)
    if data.startswith(WEB):
        return f"[{f'{name} {data}'.strip()}]", Media(mime, "", data, name)
    if data and (medium := _medium(data, mime)):
        words = _words(medium.data, medium.mime_type)
        if words is not None or not _is_words(medium.mime_type):
            about = _about(name, medium.mime_type, medium.data)
            return "\n".join(filter(None, (about, words))), replace(medium, name=name)
    shown = json.dumps(block, ensure_ascii=False)
    return _LONG.sub(lambda found: f'"{found[1][:20]}…（{len(found[1]) * 3 // 4} 字节）"', shown), None


def _resource_in(block: dict[str, Any]) -> dict[str, Any]:
    """Return the resource that a block holds, or is; nothing where it says nothing."""
    inner = block.get("resource", block)
    is_one = isinstance(inner, dict) and any(text_of(inner, key) for key in ("uri", "text", "blob"))
    return inner if is_one else {}


def _encoded(block: Any) -> tuple[str, str, str]:
    """Return a block's data, type and name, as MCP has them, or as the providers of models do."""
    if not isinstance(block, dict):
        return "", "", ""
    for key in ("source", "image_url", "input_audio", "file"):
        if isinstance(inner := block.get(key), dict):
            block = {name: value for name, value in block.items() if name != key} | inner
    kind = text_of(block, "type")
    given = [text_of(block, key) for key in ("data", "blob", "base64", "file_data")]
    urls = ("data:", *WEB) if kind in SEEN else ("data:",)
    given += [url for key in ("url", "image_url") if (url := text_of(block, key)).startswith(urls)]
    data = next(filter(None, given), "")
    mimes = [text_of(block, key) for key in ("mimeType", "media_type", "mediaType", "mimetype")]
    if form := text_of(block, "format"):
        mimes.append(f"{'image' if kind == 'image' else 'audio'}/{form}")
    mimes += [mime for head, mime in HEADS.items() if data.startswith(head) and mime.startswith(kind)]
    names = text_of(block, "filename") or text_of(block, "name")
    return data, next(filter(None, mimes), ""), names


def _is_words(mime: str) -> bool:
    return mime.startswith("text/") or mime.endswith(("json", "xml"))


def _words(data: str, mime: str) -> str | None:
    """Return the text that base64 data is; None for what is no text."""
    with suppress(ValueError):  # no base64, or no UTF-8 within
        return base64.b64decode(data, validate=True).decode() if _is_words(mime) else None
    return None


def _about(name: str, mime: str, data: str) -> str:
    return f"[{'，'.join(filter(None, (name, mime, f'{len(data) * 3 // 4} 字节')))}]"


def _resource(uri: str, resource: dict[str, Any]) -> tuple[str, Media | None]:
    mime, blob, inner = text_of(resource, "mimeType"), resource.get("blob"), text_of(resource, "text")
    if not isinstance(blob, str):
        return "\n".join(filter(None, (uri and f"[{uri}]", inner.lstrip("\ufeff")))), None
    text = _words(blob.translate(_STANDARD), mime) or inner
    about = "\n".join(filter(None, (_about(uri, mime, blob), text)))
    medium = _medium(blob, mime)
    return about, replace(medium, uri=uri) if medium else Media("", blob, uri)


def _medium(data: str, mime: str) -> Media | None:
    """Return a medium as a page can show it: some send a data URL, or base64 for addresses."""
    about, _, base64_data = data.rpartition(",")
    mime = (mime or about.removeprefix("data:")).partition(";")[0].strip().lower()
    return Media(mime, base64_data.translate(_STANDARD)) if _MIME.fullmatch(mime) else None


def _is_said(structured: Any, parts: list[Any], texts: Sequence[str]) -> bool:
    """Whether text blocks, as they are and parsed, say the structured content: one, or each a part of a list.

    What is wrapped is said without its wrapping: alone, or as a `result` with its note.
    """
    said = [parts, *parts, *texts]
    is_wrapped = isinstance(structured, dict) and (
        len(structured) == 1 or {*structured} == {"result", "note"}
    )
    return structured in said or (is_wrapped and all(part in said for part in structured.values()))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
