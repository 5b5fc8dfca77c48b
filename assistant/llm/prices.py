"""What answers cost and how much a model reads, where `genai-prices` knows it from its own data."""

from dataclasses import replace

from genai_prices import Usage as Counts
from genai_prices import calc_price

from assistant.chat.interfaces import Usage


def priced(usage: Usage, model: str, base_url: str) -> tuple[Usage, int | None]:
    """Return the usage with its cost, unless the provider told it, and the model's window in tokens.

    A model is known by its provider's address only: under the same name another asks another price.
    """
    counts = Counts(input_tokens=usage.input, output_tokens=usage.output, cache_read_tokens=usage.cached)
    try:
        price = calc_price(counts, model, provider_api_url=base_url)
    except LookupError:
        return usage, None
    cost = usage.cost or float(price.total_price) or None
    return replace(usage, cost=cost), price.model.context_window
