"""What a provider's refusal says: the only room that reads providers' English.

Beside each pattern stands where its messages were seen; tests/assistant/llm/ has them word for word.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from assistant.chat.interfaces import ContextOverflowError, ModelError
from assistant.llm.calls import list_of
from assistant.llm.request import Lesson
from serving.redaction import redacted

MAX_READ = 10_000  # characters of a provider's message that are looked at ...
MAX_REASON = 300  # ... and that are passed on

_any = partial(re.compile, flags=re.IGNORECASE)
_OVERFLOW = _any(  # OpenAI, Bedrock, Anthropic, DashScope (Qwen), llama.cpp
    r"context.{0,20}(length|window|size|limit)|too many tokens|(prompt|input|request) (is )?too (long|large)"
    r"|maximum.{0,20}tokens|max message tokens|range of input length|input length.{0,20}exceed"
    # xAI, vLLM; TGI and Together; Kimi; Qianfan; Cerebras; SiliconFlow; Copilot; Volcengine; Zhipu
    r"|maximum (prompt|model) length|`inputs`.{0,30}\bmust\b|exceeded model token limit"
    r"|tokens too long|reduce the length of|prompt.?tokens.{0,20}must be less"
    r"|prompt.token.count|max_input_tokens|(输入|上下文|prompt).{0,6}(过长|超长|超出)|长度(超过|超出)"
)
_LESSONS: Mapping[Lesson, re.Pattern[str]] = {
    "no_tools": _any(  # Ollama, Groq, OpenRouter, Google, vLLM without its tool parser
        r"(does not|doesn't|endpoints found that) support (the use of )?"
        r"(tools?|tool use|functions?( calling)?)\b"
        r"|(tools?`?|tool calling|tool use|function calling) (is|are) not (supported|enabled)"
        r"|--enable-auto-tool-choice"
    ),
    # OpenAI o1, o3, gpt-5 (QwenLM/qwen-code#921, OpenHands/OpenHands#11498), Claude from Opus 4.7 on
    # (RooCodeInc/Roo-Code#12162), Kimi K2.5 and K3 (NousResearch/hermes-agent#11764), LiteLLM
    # (Vivswan/litellm-vscode-chat#18). Each words it in its own way, so the parameter's name is enough:
    # at worst the same refusal comes once more. `get_temperature`, a tool's name, is another word.
    "no_temperature": _any(r"\btemperature\b"),
    # DeepSeek, Kimi.
    "reasoning": _any(r"missing.{0,5}reasoning_content|reasoning_content.{0,40}(is missing|must be)"),
    "completion_tokens": _any(r"max_completion_tokens"),  # OpenAI's o1 and later
    "no_pictures": _any(  # DeepSeek, OpenAI, OpenRouter, Groq, Mistral, vLLM, llama.cpp, Ollama
        r"image_url|image inputs?\b|multimodal|support.{0,20}(image|vision)|content must be a string"
        r"|图片|图像"
    ),
    "no_sounds": _any(r"\binput_audio\b|\baudio\b|multimodal|content must be a string|音频|语音"),
    "no_usage": _any(r"stream_options|include_usage"),
    # OpenAI from gpt-5.6 on, which thinks unless it is told not to (BerriAI/litellm#34569).
    "no_effort": _any(r"tools with .?reasoning_effort|set .?reasoning_effort.? to .?none"),
    "signature": _any(r"missing.{0,5}thought_signature"),  # Gemini 3 (BerriAI/litellm#16893)
    "bridge": _any(r"role.{0,3}user.{0,3}after role.{0,3}tool"),  # Mistral
}
_VAGUE = _any(
    r"(extra|unknown|unrecogni[sz]ed|unexpected|unsupported|additional|invalid|not permitted).{0,40}"
    r"(input|field|param|argument|propert|key)|参数"
)
_MISSING = _any(  # DeepSeek, OpenRouter, Zhipu, OpenAI; one-api and new-api, which have no channel for it
    r"\bmodel\b.{0,50}(not.?exist|not.?found)|(not a valid|unsupported|unknown|invalid|no such) model\b"
    r"|model_not_found|模型.{0,9}不存在|无可用渠道"
)
_UNPAID = _any(r"insufficient.{0,9}(balance|credit|fund)|arrear|余额不足|欠费")  # Zhipu, DashScope
_WRONG_KEY = _any(r"(invalid|incorrect).{0,9}api.?key|api.?key.{0,9}(not valid|invalid)")  # Gemini, xAI
# What is told of a refusal whose own status says less, or another thing.
_TRULY = {
    "model_not_found": ((400, 403, 422, 503), _MISSING),
    "model_no_credit": ((400, 403, 429), _UNPAID),
    "model_unauthorized": ((400, 403), _WRONG_KEY),
}
_PAUSE = _any(  # Gemini, OpenAI and Groq, Azure
    r"(?:retry|try again) (?:in|after) "
    r"(?:(\d{1,3})h)?(?:(\d{1,3})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?) ?(ms|s))?"
)
_MEANS = {  # a failure under the status 200: DashScope, MiniMax, Zhipu, Qianfan, Spark and gateways
    402: _any(r"insufficient.{0,9}(balance|quota|credit|fund)|arrear|余额|欠费"),
    429: _any(r"rate.?limit|throttl|too many requests|频率|并发|限流"),
    401: _any(r"(api|access).?(key|token)|unauthori|authenti|login fail|令牌|密钥|鉴权|身份验证"),
    403: _any(r"forbidden|permission|access.?denied|权限"),
    404: _any(r"not.?found|model.{0,50}not.?exist|模型.{0,9}不存在"),
}
_DATA = re.compile(r"data:[\w/+.-]+;base64,[\w+/=-]*")  # what a picture was sent as
_WELL = ("", "0", "200", "success", "ok")  # codes of no failure
_NUMBER = ("code", "status_code", "error_code", "statuscode", "status", "type")
_MESSAGE = (
    "message", "msg", "error_msg", "status_msg", "error_message", "errormessage", "error_description",
    "detail", "error", "errors", "base_resp", "response", "header", "title",
)  # fmt: skip
_CODES = {400: "model_bad_request", 401: "model_unauthorized", 402: "model_no_credit", 403: "model_forbidden"}
_CODES |= {404: "model_not_found", 405: "model_not_found", 429: "model_rate_limited"}


class RefusedError(ModelError):
    """The provider refused the request; `lessons` are what its `message` says of the model.

    `is_vague`: it does not know a part of the request, whichever that is.
    """

    def __init__(self, code: str, message: str, **params: object) -> None:
        super().__init__(code, **params)
        self.message = message
        self.is_vague = _VAGUE.search(message) is not None
        self.lessons = frozenset(lesson for lesson, pattern in _LESSONS.items() if pattern.search(message))


def refused(status: int, code: str | None, message: str, seconds: float | None) -> ModelError:
    """Return the error for an HTTP status; `seconds` is the pause that the provider asks for."""
    message = message[:MAX_READ]
    reason = reason_of(message)
    if status != 429 and is_overflow(code, message):  # 429: "too many tokens per minute"
        return ContextOverflowError("context_overflow", reason=reason)
    params: dict[str, object] = {"status": status}
    ours = true_code(status, code, message)
    if ours or status < 500:
        params["reason"] = reason or _phrase(status)
    if ours is None:
        ours = "model_overloaded" if status >= 500 else _CODES.get(status, "model_refused")
    if not ours.startswith("model_overloaded") and ours != "model_rate_limited":
        seconds = None
    if seconds:
        ours, params["seconds"] = f"{ours}_for", round(seconds)
    return RefusedError(ours, message, **params)


def true_code(status: int, code: str | None, message: str) -> str | None:
    """Return our code where a refusal is another one than its status says, as no retry mends."""
    said = f"{code} {message[:MAX_READ]}"
    found = (
        ours for ours, (statuses, meaning) in _TRULY.items() if status in statuses and meaning.search(said)
    )
    return next(found, None)


def pause_of(message: str) -> float | None:
    """Return for how many seconds a refusal asks to wait, where it says so in words."""
    found = _PAUSE.search(message[:MAX_READ])
    if not found or not any(found.groups()):
        return None
    hours, minutes, seconds, unit = found.groups()
    return (
        int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0) / (1000 if unit == "ms" else 1)
    )


def spoken(body: Any) -> str:
    """Return the words of a refusal's body, of a gateway's also those that it passes on."""
    if isinstance(body, str):
        return body
    parts = [*_parts(body)]
    found = (part.get(key) for part in parts for key in _MESSAGE)
    message = next((each for each in found if isinstance(each, str) and each), "")
    behind = (metadata.get("raw") for part in parts if isinstance(metadata := part.get("metadata"), dict))
    raw = next((each for each in behind if isinstance(each, str) and each), "")  # OpenRouter
    return f"{message}: {raw}" if raw else message or (json.dumps(body, ensure_ascii=False) if body else "")


def _phrase(status: int) -> str:
    return next((each.phrase for each in HTTPStatus if each == status), str(status))


def complaint(chunk: Mapping[str, Any], *, begun: bool) -> ModelError | None:
    """Return the failure that comes in the place of a chunk, if it is one; before the answer, a refusal."""
    first = next(iter(list_of(chunk.get("choices"))), None)
    error = chunk.get("error") or (first.get("error") if isinstance(first, dict) else None)  # OpenRouter
    if isinstance(error, dict) and not any(error.values()):  # `{"code": 0, "message": ""}`
        error = None
    has_more = bool(chunk.get("choices") or chunk.get("done"))
    parts = [*_parts(error), *_parts(chunk)]
    numbers = (part.get(key) for part in parts for key in _NUMBER)
    code = next((str(each) for each in numbers if isinstance(each, str | int) and each is not True), "")
    if has_more and (not error or (code and code.lower() in _WELL)):
        return None
    texts = (part.get(key) for part in parts for key in _MESSAGE)
    message = next((each for each in texts if isinstance(each, str) and each), str(error or ""))
    if not error and (not message or (code.lower() in _WELL and (code or begun))):
        return None
    if begun:
        return ModelError("model_failed", reason=reason_of(message))
    said = f"{code} {message[:MAX_READ]}"
    means = next((status for status, meaning in _MEANS.items() if meaning.search(said)), 0)
    status = int(code) if re.fullmatch(r"[45]\d\d", code) else means  # OpenRouter's is one of HTTP
    if status or is_overflow(code, message):
        return refused(status, code, message, None)
    return RefusedError("model_failed", message[:MAX_READ], reason=reason_of(message))


def _parts(value: Any, depth: int = 3) -> Iterator[Mapping[str, Any]]:
    """Yield an object, and those within it that may hold a message, with their keys in lower case."""
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, dict) and depth:
        named = {str(key).lower(): each for key, each in value.items()}
        yield named
        for key in _MESSAGE:
            yield from _parts(named.get(key), depth - 1)


def is_overflow(code: str | None, message: str) -> bool:
    """Whether a provider's error says that the conversation is longer than the model's context."""
    return _OVERFLOW.search(f"{code} {message[:MAX_READ]}") is not None


def reason_of(message: str) -> str:
    """Return what is passed on of a provider's message, of a page its text: it may repeat the key."""
    message = message[:MAX_READ]
    if re.match(r"\s*<(!doctype|html|head|body|\?xml)", message, re.IGNORECASE):
        text = re.sub(r"(?is)<(style|script)\b.*?(</\1>|$)|<[^>]*(>|$)", " ", message)
        message = " ".join(text.split())
    return redacted(_DATA.sub("data:…", message))[:MAX_REASON]


def tools_named(refusal: RefusedError, names: Sequence[str]) -> list[str]:
    """Return which of the tools that were sent a refusal of the request names, by name or by number."""
    if refusal.params.get("status") not in (400, 422):
        return []
    quoted = set(re.findall(r"(?:[\"'`‘“]|function |tool )([\w.-]{1,64})", refusal.message))
    if named := [name for name in names if name in quoted]:
        return named
    # Gemini numbers the declarations, all of them within its first tool; others number the tools.
    numbers = re.findall(r"declarations\[(\d{1,3})\]", refusal.message)
    numbers = numbers or re.findall(r"tools[.\[](\d{1,3})", refusal.message)
    return [names[int(number)] for number in dict.fromkeys(numbers) if int(number) < len(names)]
