"""The models that a provider lists, in whatever form it does; and the model servers of this machine."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from assistant.chat.interfaces import ModelError
from assistant.llm.calls import list_of
from assistant.llm.credentials import is_near
from assistant.llm.model import OpenAIModel, load_client

LIST_SECONDS = 8.0
LOCAL_SECONDS = 4.0  # in which a model server of this machine has said what it has
MAX_MODELS = 5_000  # of one list
MAX_NAME = 200  # characters of a model's
MAX_WINDOW = 1_000_000_000
NO_KEY = "none"  # what is sent where there is none: the SDK wants one

# OpenAI and most others; Gemini's own, Ollama's `/api/tags`, LM Studio's from 0.4 on.
_LISTS = ("data", "models")
_NAMES = ("id", "key", "model", "name")
# How many tokens a model reads at once: LM Studio as it is loaded; OpenRouter, Together, Moonshot; Groq;
# Mistral; vLLM; Gemini; llama.cpp; LiteLLM.
_WINDOWS = (
    *("loaded_context_length", "context_length", "context_window", "max_context_length"),
    *("max_model_len", "inputTokenLimit", "n_ctx", "max_input_tokens"),
)
_NO_CHAT = re.compile(
    r"embed|rerank|whisper|\btts\b|dall-e|moderation|transcri|stable-diffusion|^(bge|jina)-", re.IGNORECASE
)
# What a model server of this machine is, by the owner that it names, or by a port that no other has.
_OWNERS = {"library": "ollama", "organization_owner": "lmstudio", "llamacpp": "llamacpp", "vllm": "vllm"}
_PORTS = {11434: "ollama", 1234: "lmstudio"}


@dataclass(frozen=True)
class ListedModel:
    """A model; `window` is how many tokens it reads at once, `sees` whether pictures, where that is said."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    window: Annotated[int, Field(ge=1, le=MAX_WINDOW)] | None = None
    sees: bool | None = None


@dataclass(frozen=True)
class ModelList:
    """What a provider has, and the base URL under which it was found to answer."""

    base: str
    models: list[ListedModel]
    owner: str  # of the first, as the list names it


def read_list(answer: Any) -> list[ListedModel]:
    """Return the models of an answer that can chat; one that is no list of models has none."""
    found: dict[str, ListedModel] = {}
    for item in _items(answer)[:MAX_MODELS]:
        given = item if isinstance(item, dict) else {"id": item}
        names = (given.get(key) for key in _NAMES)
        name = next((name for name in names if isinstance(name, str) and 0 < len(name) <= MAX_NAME), "")
        if name and name.isprintable() and _can_chat(name, given):
            name = name.removeprefix("models/")  # Gemini's
            found.setdefault(name, ListedModel(name, _window(given), _sees(given)))
    return [*found.values()]


def _items(answer: Any) -> list[Any]:
    lists = (answer.get(key) for key in _LISTS) if isinstance(answer, dict) else [answer]
    return next(filter(None, map(list_of, lists)), [])


def _can_chat(name: str, given: Mapping[str, Any]) -> bool:
    if given.get("type") in ("embedding", "embeddings", "rerank", "image", "audio", "video", "moderation"):
        return False
    methods = list_of(given.get("supportedGenerationMethods"))
    says_no = _dict(given.get("capabilities")).get("completion_chat") is False
    return not says_no and not _NO_CHAT.search(name) and (not methods or "generateContent" in methods)


def _window(given: Mapping[str, Any]) -> int | None:
    """Return the window; of LM Studio's only that of a loaded model: the others are loaded with another."""
    loaded = (_dict(_dict(each).get("config")) for each in list_of(given.get("loaded_instances")))
    parts = [*loaded, dict(given), *(_dict(given.get(key)) for key in ("meta", "details", "limits"))]
    if "state" in given or "loaded_instances" in given:
        parts = [{k: v for k, v in part.items() if k != "max_context_length"} for part in parts]
    sizes = (part.get(name) for name in _WINDOWS for part in parts)
    return next((size for size in sizes if type(size) is int and size > 0), None)


def _sees(given: Mapping[str, Any]) -> bool | None:
    """Return what OpenRouter; Mistral and LM Studio; Moonshot; LM Studio before 0.4 say of pictures."""
    if kinds := list_of(_dict(given.get("architecture")).get("input_modalities")):
        return "image" in kinds
    for said in (_dict(given.get("capabilities")).get("vision"), given.get("supports_image_in")):
        if isinstance(said, bool):
            return said
    return True if given.get("type") == "vlm" else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _places(base: str) -> Iterator[tuple[str, str]]:
    """Yield where a list may be, each with the base URL for the chat."""
    origin = f"{urlsplit(base).scheme}://{urlsplit(base).netloc}"
    if is_near(urlsplit(base).hostname or ""):
        yield f"{origin}/api/v0/models", f"{origin}/v1"  # LM Studio's, which says more
    yield f"{base}/models", base
    if not re.search(r"/v\d", base):
        yield f"{base}/v1/models", f"{base}/v1"
    yield f"{origin}/api/tags", f"{origin}/v1"  # Ollama's


async def list_models(base: str, key: str, seconds: float = LIST_SECONDS) -> ModelList:
    """Ask a provider for its models. Raises ModelError: it has said nothing of use, or why not."""
    failure = ModelError("model_list_unknown")
    await load_client()  # which takes longer than many an answer
    async with aclosing(OpenAIModel("", key, base, silence_seconds=seconds, retries=0)) as provider:
        try:
            async with asyncio.timeout(seconds):
                for address, chat_base in _places(base.rstrip("/")):
                    try:
                        answer = await provider.read(address)
                    except ModelError as error:
                        if error.code in ("model_unauthorized", "model_forbidden", "model_unreachable"):
                            raise
                        if error.code != "model_not_found":
                            failure = error
                        continue
                    if models := read_list(answer):
                        owners = (_dict(item).get("owned_by") for item in _items(answer))
                        return ModelList(chat_base, models, str(next(owners, "")))
        except TimeoutError:
            failure = ModelError("model_late")
    raise failure


async def local_servers(ports: Iterable[int], seconds: float = LOCAL_SECONDS) -> list[tuple[str, ModelList]]:
    """Return the model servers of this machine by kind: what answers with a list of models is one."""

    async def look(port: int) -> tuple[str, ModelList] | None:
        try:
            found = await list_models(f"http://127.0.0.1:{port}/v1", NO_KEY, seconds)
        except ModelError:
            return None
        return _OWNERS.get(found.owner) or _PORTS.get(port) or f"127.0.0.1:{port}", found

    found = await asyncio.gather(*map(look, ports))
    return [each for each in found if each]
