"""Many wordings of one question, each of which has to be answered alike."""

import functools
from collections.abc import Callable


def parted(sentences: str) -> list[str]:
    """Return the sentences of a text, which are parted by slashes."""
    return ["" if part.strip() == "(nothing)" else part.strip() for part in sentences.split("/")]


def each(sentences: str) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    """Hold one test to each of the sentences, and say which it fails for."""

    def held(test: Callable[[str], None]) -> Callable[[], None]:
        def all_of_them() -> None:
            for sentence in parted(sentences):
                try:
                    test(sentence)
                except AssertionError as error:
                    raise AssertionError(f"{sentence}: {error}") from error

        functools.update_wrapper(all_of_them, test)
        del all_of_them.__wrapped__  # type: ignore[attr-defined]  # pytest would read the arguments of that
        return all_of_them

    return held
