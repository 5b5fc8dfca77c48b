"""What a provider's refusal says: with pauses.py the only room that reads providers' English.

Beside each pattern stands where its messages were seen; tests/assistant/llm/ has them word for word.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Any

from assistant.chat.interfaces import ContextOverflowError, ModelError
from assistant.llm.calls import list_of
from assistant.llm.pauses import pause_of
from assistant.llm.request import Lesson
from serving.redaction import redacted

MAX_READ = 10_000  # characters of a provider's message that are looked at ...
MAX_REASON = 300  # ... and that are passed on
MAX_SECONDS = 10_000_000  # that it can ask to wait

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
        r"|(tools?`?( param)?|tool calling|tool use|function call(ing)?) (is|are) not (supported|enabled)"
        # Qwen's own server (QwenLM/Qwen3#822); SiliconFlow and others
        r"|--enable-auto-tool-choice|tools param requires|不支持.{0,4}(工具|函数)"
        # of an old Azure, of Pydantic; a place within the tools is another thing
        r"|\b(param(eter)?|supplied): ['\"`]?tools\b(?![.\[])|\bbody\.tools: extra"
    ),
    "no_choice": _any(r"\btool_choice\b"),  # LiteLLM for gpt-5 (BerriAI/litellm#25332), DeepSeek
    # OpenAI, of whom has not shown his passport (lobehub/lobehub#9385); Bedrock
    "no_stream": _any(
        r"to stream this model|in streaming mode|streaming is not (supported|enabled)|support stream(ing)?\b"
    ),
    # Gemma behind vLLM and Google (sgl-project/sglang#892), OpenAI's o1-mini (tailcallhq/forgecode#1177),
    # MiniMax (BigPizzaV3/CodexPlusPlus#267)
    "no_system": _any(
        r"system role.{0,9}not supported|developer instruction is not|not support .?system|role: .?system\b"
    ),
    # OpenAI o1, o3, gpt-5 (QwenLM/qwen-code#921, OpenHands/OpenHands#11498), Claude from Opus 4.7 on
    # (RooCodeInc/Roo-Code#12162), Kimi K2.5 and K3 (NousResearch/hermes-agent#11764), LiteLLM
    # (Vivswan/litellm-vscode-chat#18). Each words it in its own way, so the parameter's name is enough:
    # at worst the same refusal comes once more. `get_temperature`, a tool's name, is another word.
    "no_temperature": _any(r"\btemperature\b"),
    # DeepSeek, Kimi.
    "reasoning": _any(r"missing.{0,5}reasoning_content|reasoning_content.{0,40}(is missing|must be)"),
    # Cerebras (QwenLM/qwen-code#11045), Mistral, Groq.
    "no_reasoning": _any(
        r"\breasoning(_content|_details)?\b.{0,60}(unsupported|not (supported|permitted|allowed))"
        r"|(extra|unsupported|unexpected|unknown|remove).{0,60}\breasoning(_content|_details)?\b"
    ),
    "null": _any(  # Anthropic and Bedrock behind gateways (spring-projects/spring-ai#5510), Kimi
        r"(content|text|assistant).{0,40}(non-?empty|not be empty|is required|is empty)"
    ),
    "names": _any(r"function_response\.name"),  # Gemini
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
_UNPAID = _any(  # Zhipu, DashScope; Anthropic, SiliconFlow; Volcengine; xAI, Fireworks, Groq; OpenAI; Kimi
    r"insufficient.{0,20}(balance|credit|fund)|(balance|credits?) (is|are) (too low|insufficient)"
    r"|arrear|overdue|available credits|credits? (are |is )?(depleted|exhausted|expired)|good standing"
    r"|spend(ing)? limit|billing.(hard.limit|not.active)|insufficient_user_quota"
    r"|budget has been exceeded"  # LiteLLM
    # Of what may be used in a minute DashScope says the same; one-api, new-api.
    r"|exceeded_current_quota_error|insufficient_quota(?!.*token-limit)|free.?tier.{0,30}(only|exhausted)"
    r"|(余额|用户额度|令牌额度).{0,4}(不足|用尽|用完)|资源包.{0,4}(用尽|用完)|欠费"
)
_FILTERED = _any(  # DashScope; Azure, Kimi; DeepSeek; MiniMax, Volcengine; OpenAI, xAI; OpenRouter; StepFun
    r"data.?inspection|inappropriate content|content.?(filter|polic|management|safety)|exists risk|high risk"
    r"|new_sensitive|sensitive.?(content|information)|risk.?detection|safety.(system|check)"
    r"|usage (policy|policies|guidelines)|requires moderation|input was flagged|censorship"
    r"|provided.{0,30}is blocked|moderation_blocked|content moderation|prohibited content|responsible ai"
    r"|blocked by .{0,20}(guardrail|safety)"  # Bedrock; Vertex above
    # Zhipu, Baidu, Spark
    r"|敏感(词|内容|信息)|不安全|审核不通过|(安全|审核|检测).{0,4}(未|不)通过|涉嫌违规|内容违规"
)
# A call that the provider itself could not read: Groq; Ollama (ollama/ollama#12884); llama.cpp.
_MISWRITTEN = _any(
    r"tool_use_failed|failed to call a function|error parsing tool call|failed to parse (tool call|input at)"
    r"|failed to parse fc related|output that does not match the expected"  # SGLang; llama.cpp, later
)
_WRONG_KEY = _any(r"(invalid|incorrect).{0,9}api.?key|api.?key.{0,9}(not valid|invalid)")  # Gemini, xAI
# What is told of a refusal whose own status says less, or another thing.
_TRULY = {
    # OpenAI, Groq: it alone is larger than what a minute allows.
    "context_overflow": ((429,), _any(r"\btoo large\b.{0,200}\btokens per min")),
    "call_malformed": ((400, 500), _MISWRITTEN),
    "request_filtered": ((400, 403, 422, 451), _FILTERED),
    "model_not_found": ((400, 403, 422, 503), _MISSING),
    "model_no_credit": ((400, 401, 403, 412, 429, 500), _UNPAID),
    "model_unauthorized": ((400, 403), _WRONG_KEY),
}
_MEANS = {  # a failure under the status 200: DashScope, MiniMax, Zhipu, Qianfan, Spark and gateways
    402: _UNPAID,
    429: _any(r"(rate|usage).?limit|quota|throttl|too many requests|频率|并发|限流"),
    401: _any(r"(api|access).?(key|token)|unauthori|authenti|auth.?fail|login fail|令牌|密钥|鉴权|身份验证"),
    403: _any(r"forbidden|permission|access.?denied|权限"),
    404: _any(r"not.?found|unexpected endpoint|model.{0,50}not.?exist|模型.{0,9}不存在"),
}
_DATA = re.compile(r"data:[\w/+.-]+;base64,[\w+/=-]*")  # what a picture was sent as
_WELL = ("", "0", "200", "success", "ok")  # codes of no failure
_NUMBER = ("code", "http_code", "status_code", "error_code", "errcode", "ret", "statuscode", "status", "type")
_MESSAGE = (
    "message", "msg", "errmsg", "retmsg", "error_msg", "status_msg", "error_message", "errormessage",
    "error_description", "detail", "error", "errors", "base_resp", "response", "header", "title",
)  # fmt: skip
_CODES = {400: "model_bad_request", 401: "model_unauthorized", 402: "model_no_credit", 403: "model_forbidden"}
_CODES |= {404: "model_not_found", 405: "model_not_found", 429: "model_rate_limited", 451: "request_filtered"}
_CODES[498] = "model_overloaded"  # Groq


class RefusedError(ModelError):
    """The provider refused the request; `lessons` are what its `message` says of the model.

    `is_vague`: it does not know a part of the request, whichever that is.
    """

    def __init__(self, code: str, message: str, **params: object) -> None:
        super().__init__(code, **params)
        self.message = message
        self.is_vague = _VAGUE.search(message) is not None
        lessons = {lesson for lesson, pattern in _LESSONS.items() if pattern.search(message)}
        self.lessons = frozenset(lessons - {"no_tools"} if "no_stream" in lessons else lessons)


def refused(status: int, body: Any, seconds: float | None) -> ModelError:
    """Return the error for an HTTP status; `seconds` is the pause that the provider asks for."""
    message = spoken(body)[:MAX_READ]
    reason = reason_of(message) or _phrase(status)
    said = f"{codes_of(body)} {message}"
    ours = true_code(status, body)
    if ours == "context_overflow" or (
        status != 429 and is_overflow(said)
    ):  # 429: "too many tokens per minute"
        return ContextOverflowError("context_overflow", reason=reason)
    if ours == "request_filtered":
        reason = reason_of(": ".join(filter(None, (codes_of(body), message))))  # the code says which filter
    if ours is None:
        ours = "model_overloaded" if status >= 500 else _CODES.get(status, "model_refused")
    params: dict[str, object] = {"status": status, "reason": reason}
    if seconds and seconds < MAX_SECONDS and ours in ("model_overloaded", "model_rate_limited"):
        ours, params["seconds"] = f"{ours}_for", ceil(seconds)
    return RefusedError(ours, message, **params)


def true_code(status: int, body: Any) -> str | None:
    """Return our code where a refusal is another one than its status says, as no retry mends."""
    said = f"{codes_of(body)} {spoken(body)[:MAX_READ]}"
    found = (
        ours for ours, (statuses, meaning) in _TRULY.items() if status in statuses and meaning.search(said)
    )
    return next(found, None)


def codes_of(body: Any) -> str:
    """Return the codes that stand in a refusal's body, the innermost first."""
    told = (part.get(key) for part in _parts(body) for key in _NUMBER)
    return " ".join(dict.fromkeys(str(each) for each in told if isinstance(each, str | int)))[:MAX_READ]


def spoken(body: Any) -> str:
    """Return the words of a refusal's body, of a gateway's also those that it passes on."""
    if isinstance(body, str):
        return body
    parts = [*_parts(body)]
    found = (part.get(key) for part in parts for key in _MESSAGE)
    message = next((each for each in found if isinstance(each, str) and each), "")
    where: list[Any] = next(
        (part["loc"] for part in parts if isinstance(part.get("loc"), list)), []
    )  # FastAPI's
    message = f"{'.'.join(map(str, where))}: {message}" if where else message
    behind = (metadata.get("raw") for part in parts if isinstance(metadata := part.get("metadata"), dict))
    raw = next((each for each in behind if isinstance(each, str) and each), "")  # OpenRouter
    raw = raw or ", ".join(name for part in parts for name in _filters(part.get("innererror")))
    return f"{message}: {raw}" if raw else message or (json.dumps(body, ensure_ascii=False) if body else "")


def _filters(inner: Any) -> list[str]:
    """Return what a filter of Azure's has found."""
    results = inner.get("content_filter_result") if isinstance(inner, dict) else None
    found = results.items() if isinstance(results, dict) else ()
    return [name for name, each in found if isinstance(each, dict) and each.get("filtered")]


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
    if not error and (not message or (code and code.lower() in _WELL)):
        return None
    said = f"{codes_of(chunk)} {message[:MAX_READ]}"
    means = (status for status, meaning in _MEANS.items() if meaning.search(said))
    http = re.search(r"\b[45]\d\d\b", code)  # OpenRouter's
    status = int(http[0]) if http else next(means, 0)
    ours = true_code(status, chunk) or true_code(400, chunk)
    if begun and ours not in ("call_malformed", "request_filtered"):
        return ModelError("model_failed", reason=reason_of(message))
    if ours or status or is_overflow(said):
        return refused(status or 400, chunk, pause_of(json.dumps(chunk, ensure_ascii=False)))
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


def is_overflow(said: str) -> bool:
    """Whether a provider's error says that the conversation is longer than the model's context."""
    return _OVERFLOW.search(said[:MAX_READ]) is not None


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
    # OpenAI takes 128 of them, others fewer.
    if many := re.search(r"tools.{0,40}(?:array too long|too many).{0,60}?(\d{1,4})", refusal.message):
        return list(names[int(many[1]) :])
    # Gemini numbers the declarations, all of them within its first tool; others number the tools.
    numbers = re.findall(r"declarations\[(\d{1,3})\]", refusal.message)
    numbers = numbers or re.findall(r"tools[.\[](\d{1,3})", refusal.message)
    return [names[int(number)] for number in dict.fromkeys(numbers) if int(number) < len(names)]
