"""What an answer took, by the provider's own count, in whatever form and place it is told."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from assistant.chat.interfaces import Usage
from assistant.llm.calls import list_of

MAX_COUNT = 10**9  # what is more is no count of one answer

# OpenAI's names; those of its Responses and of Anthropic; Gemini's; Ollama's.
INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_eval_count")
OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "eval_count")
TOTAL = ("total_tokens", "totalTokenCount")  # Gemini and xAI leave thoughts out of their output
CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cachedContentTokenCount", "cache_read_input_tokens")
DETAILS = ("prompt_tokens_details", "input_tokens_details")
COUNTS = frozenset((*INPUT, *OUTPUT, *TOTAL, *CACHED, *DETAILS, "cost"))
BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")  # Anthropic counts them beside its input


class UsageReader:
    """Reads the counts of one answer: they may come once, in pieces, or growing with every chunk."""

    def __init__(self) -> None:
        self._counts = {"input": 0, "output": 0, "cached": 0}
        self._cost = 0.0

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take what a chunk says."""
        for told in _places(chunk):
            if COUNTS.isdisjoint(told):  # as almost every chunk
                continue
            read, written = _first(told, INPUT), _first(told, OUTPUT)
            if "prompt_tokens" not in told and "input_tokens" in told:
                read += sum(_count(told.get(name)) for name in BESIDE)
            details = [each for each in map(told.get, DETAILS) if isinstance(each, dict)]
            cached = max(_first(each, CACHED) for each in (told, *details))
            written = max(written, _first(told, TOTAL) - read) if read else written
            for name, value in (("input", read), ("output", written), ("cached", cached)):
                self._counts[name] = max(self._counts[name], value)
            cost = told.get("cost")  # OpenRouter's, in dollars; Perplexity's has parts
            cost = cost.get("total_cost") if isinstance(cost, dict) else cost
            if isinstance(cost, int | float) and 0 < cost < MAX_COUNT:
                self._cost = float(cost)

    def usage(self) -> Usage | None:
        """Return the counts, or None where the provider has told none."""
        read, written, cached = self._counts.values()
        if not read or not written:
            return None
        return Usage(read, written, min(cached, read), self._cost or None)


def _places(chunk: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that may hold counts: Groq, Kimi and Anthropic have places of their own."""
    first = next(iter(list_of(chunk.get("choices"))), None)
    for holder in (chunk, chunk.get("x_groq"), first, chunk.get("message")):
        if isinstance(holder, dict):
            yield from (
                each for each in map(holder.get, ("usage", "usageMetadata")) if isinstance(each, dict)
            )
    yield chunk  # Ollama's


def _first(told: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := _count(told.get(name)))), 0)


def _count(value: object) -> int:
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < MAX_COUNT
    return int(value) if is_count and isinstance(value, int | float) else 0


def priced(usage: Usage, model: str, base_url: str) -> tuple[Usage, int | None]:
    """Return the usage with its cost, unless the provider told it, and the model's window in tokens.

    By the data of `genai-prices`, which knows a model by its provider's address only: under the same name
    another asks another price.
    """
    import genai_prices  # noqa: PLC0415  large: see OpenAIModel._opened

    counts = genai_prices.Usage(
        input_tokens=usage.input, output_tokens=usage.output, cache_read_tokens=usage.cached
    )
    try:
        price = genai_prices.calc_price(counts, model, provider_api_url=base_url)
    except LookupError:
        return usage, None
    cost = usage.cost or float(price.total_price) or None
    return replace(usage, cost=cost), price.model.context_window
