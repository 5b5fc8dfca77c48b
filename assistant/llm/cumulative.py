"""Text whose every piece repeats all before it, as some gateways stream it: told apart, and said once."""

MIN_PIECES = 4  # each the one before and more ...
MIN_CHARACTERS = 16  # ... up to a text this long that is no repetition in itself, as "hahaha" is
MAX_HELD = 20_000  # characters that are waited with


class CumulativeText:
    """Takes the pieces of one text, and gives what each of them adds.

    Nobody writes "I", "I like", "I like the", "I like the first" without anything between, so a provider
    that sends pieces in the ordinary way is not mistaken for another. A piece that does not begin with the
    one before it decides at once, mostly the second; until then only the first is given.
    """

    def __init__(self) -> None:
        self._lengths: list[int] = []  # of the pieces so far, each the beginning of the next
        self._last = ""
        self._is_cumulative: bool | None = None  # None while it is not known

    def feed(self, piece: str) -> str:
        """Return what a piece adds to the text."""
        if not piece or self._is_cumulative is False:
            return piece
        if self._is_cumulative:
            return self._added(piece)
        if not piece.startswith(self._last) or sum(self._lengths) > MAX_HELD:
            self._is_cumulative = False
            return self.end() + piece
        self._lengths.append(len(piece))
        self._last = piece
        if len(set(self._lengths)) >= MIN_PIECES and len(piece) >= MIN_CHARACTERS and not _repeats(piece):
            self._is_cumulative = True
            return piece[self._lengths[0] :]
        return piece if len(self._lengths) == 1 else ""

    def end(self) -> str:
        """Return what was held back, since no more comes."""
        held = "" if self._is_cumulative else "".join(self._last[:length] for length in self._lengths[1:])
        self._lengths = []
        return held

    def _added(self, piece: str) -> str:
        if self._last.startswith(piece):  # once more, perhaps without its last blank
            return ""
        added = piece.removeprefix(self._last)
        self._last = piece
        return added


def _repeats(text: str) -> bool:
    """Whether a text is one piece again and again."""
    return any(text.startswith(text[length:]) for length in range(1, len(text) // 2 + 1))
