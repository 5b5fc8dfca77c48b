"""The names under which a model gets to know the tools of all servers."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

MAX_NAME_LENGTH = 64  # characters: OpenAI's limit, and the others'


def offered_names(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Give each (server, tool) a name that every provider accepts: `[a-zA-Z0-9_-]`, at most 64 characters.

    Names that are too long or would collide end in a hash of the pair, which is the same in every run.
    """
    names = {pair: re.sub(r"[^a-zA-Z0-9_-]", "_", "_".join(pair)) for pair in pairs}
    for digits in (8, 16, 32):  # more than once: a tool may be named like another's hash
        counts = Counter(names.values())
        wrong = [pair for pair, name in names.items() if len(name) > MAX_NAME_LENGTH or counts[name] > 1]
        names |= {pair: _hashed(pair, names[pair], digits) for pair in wrong}
    return names


def _hashed(pair: tuple[str, str], name: str, digits: int) -> str:
    digest = hashlib.sha256("\0".join(pair).encode(errors="surrogatepass")).hexdigest()[:digits]
    return f"{name[: MAX_NAME_LENGTH - digits - 1]}_{digest}"
