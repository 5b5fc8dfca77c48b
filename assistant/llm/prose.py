"""Thoughts and tool calls that a model writes into its answer's text, told apart while the text streams in.

A block of thoughts is taken out wherever it stands; a mark that ends thoughts without having begun any says
that all before it was thought. Markup of calls is held back until the end. In code both are text.
"""

import re
from collections.abc import Collection, Generator, Iterable, Iterator

from assistant.chat.interfaces import Restart, Thought

BLOCKS = {
    "<think>": "</think>",  # Qwen, DeepSeek, MiniMax and others, behind a server without a parser for it
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",  # Mistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|START_THINKING|>": "<|END_THINKING|>",  # Cohere
    "<|channel|>analysis<|message|>": "<|end|>",  # harmony, gpt-oss
}
ENDS = set(BLOCKS.values()) - {"<|end|>"}
FRAMES = {
    "<|channel|>final<|message|>",
    "<|channel|>commentary<|message|>",
    "<|start|>assistant",
    "<|end|>",
    "<|return|>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
}
CALLS = {
    "<tool_call", "<toolcall>", "<TOOLCALL>", "<seed:tool_call>", "<longcat_tool_call>", "<|action_start|>",
    "<|DSML|", "<|channel|>analysis to=", "<|start|>assistant<|channel|>analysis to=",
    "<|tool_call", "<｜tool_call", "<｜tool▁call", "<|tool▁call", "<｜DSML｜", "<minimax:tool_call",
    "<function_calls>", "<invoke name=", "<function=", "[TOOL_CALLS]", "<|python_tag|>", "<|START_ACTION|>",
    "<|channel|>commentary to=", "<|start|>assistant to=", "<|start|>assistant<|channel|>commentary to=",
}  # fmt: skip
_MARKS = sorted({*BLOCKS, *ENDS, *FRAMES, *CALLS}, key=len, reverse=True)
_MARK = re.compile("|".join(map(re.escape, _MARKS)))
_FENCE = re.compile(r" {0,3}(```|~~~)")
_HEAD = 6  # characters of a line that show whether it is a fence
MAX_UNDECIDED = 80  # characters of a "[" at the beginning until it is known to begin no call

Part = str | Thought | Restart


class ProseReader:
    """Reads the text of one answer; `text` is what stands of it, `markup` what was held back at its end."""

    def __init__(self, names: Iterable[str]) -> None:
        """Make a reader; `names` are the tools that were offered, for calls in bare JSON or Python."""
        self.markup = ""
        self._has_thoughts = False
        self._raw: list[str] = []  # all that came
        self._shown: list[str] = []
        self._buffer = ""  # what has come and is not decided on
        self._block: tuple[str, str] | None = None  # the marks of the thoughts that are open
        self._is_markup = False
        self._held: list[str] = []  # of thoughts after text, or of markup
        self._line, self._has_odd_ticks, self._is_fenced = "", False, False  # of the text
        self._bare = re.compile(rf"\s*(\{{|\[\s*\{{|\[\s*({'|'.join(map(re.escape, names)) or '(?!)'})\()")

    @property
    def text(self) -> str:
        """What stands of the text."""
        return "".join(self._shown)

    @property
    def thought(self) -> str:
        """All before the text, as the model wrote it, if it began with thoughts."""
        raw, text = "".join(self._raw), self.text or self.markup
        return raw[: len(raw) - len(text)] if self._has_thoughts and raw.endswith(text) else ""

    def feed(self, delta: str) -> Iterator[Part]:
        """Add a piece of the answer's content, and yield what is to be shown for it."""
        self._raw.append(delta)
        self._buffer += delta
        goes_on = True
        while goes_on and self._buffer and not self._is_undecided():
            if self._is_markup:
                self._held.append(self._buffer)
                self._buffer = ""
            elif self._block:
                goes_on = yield from self._in_block(self._block[1])
            else:
                goes_on = yield from self._in_text()

    def end(self) -> Iterator[Part]:
        """Yield what was held back, the answer being over; markup stays in `markup`."""
        rest, self._buffer = self._buffer, ""
        if self._is_markup or (not self._shown and self._bare.match(rest)):
            self.markup = "".join([*self._held, rest])
        elif self._block and not self._shown:
            yield Thought(rest)
        elif self._block:  # never closed: the mark was a word among others
            yield from self._show("".join([self._block[0], *self._held, rest]))
        else:
            yield from self._show(rest)

    def show_markup(self) -> Iterator[Part]:
        """Yield what looked like markup, and is none."""
        shown, self.markup = self.markup, ""
        yield from self._show(shown)

    def _is_undecided(self) -> bool:
        """Whether more must come before it is known what the answer begins with."""
        if self._shown or self._block or self._is_markup:
            return False
        head = self._buffer.lstrip()
        if self._bare.match(head):
            self._is_markup = True
        return head.startswith("[") and len(head) < MAX_UNDECIDED and not re.search(r"[{(\]\n]", head)

    def _in_block(self, end: str) -> Generator[Part, None, bool]:
        """Take thoughts from the buffer; return whether there is more behind them."""
        self._has_thoughts = True
        thought, mark, behind = self._buffer.partition(end)
        if not mark:
            thought, behind = _split(self._buffer, _BEGINNINGS[end])
        self._buffer = behind
        if self._shown:
            self._held.append(thought)
            thought = "".join(self._held) if mark else ""
        if thought:
            yield Thought(thought)
        if mark:
            self._block, self._held = None, []
        return bool(mark)

    def _in_text(self) -> Generator[Part, None, bool]:
        """Take text from the buffer up to the next mark; return whether there is more behind it."""
        found = _MARK.search(self._buffer)
        shown, rest = _split(self._buffer, _BEGINNINGS[""])
        if found is None or len(shown) <= found.start():
            self._buffer = rest
            yield from self._show(shown)
            return False
        mark, self._buffer, shown = found[0], self._buffer[found.end() :], self._buffer[: found.start()]
        yield from self._show(shown)
        if self._is_fenced or self._has_odd_ticks:
            yield from self._show(mark)
        elif mark in CALLS:
            self._is_markup, self._held = True, [mark]
        elif mark in BLOCKS:
            self._block = (mark, BLOCKS[mark])
        elif mark in ENDS:
            self._has_thoughts = True
            if self._shown:
                yield Restart()
                yield Thought(self.text)
                self._shown, self._line = [], ""
        return True

    def _show(self, text: str) -> Iterator[Part]:
        text = text if self._shown else text.lstrip()
        if not text:
            return
        for number, part in enumerate(text.split("\n")):
            if number:
                self._line, self._has_odd_ticks = "", False
            was_fence = _FENCE.match(self._line)
            self._line = (self._line + part)[:_HEAD]
            if _FENCE.match(self._line) and not was_fence:
                self._is_fenced = not self._is_fenced
            self._has_odd_ticks ^= part.count("`") % 2 == 1
        self._shown.append(text)
        yield text


def _split(text: str, beginnings: Collection[str]) -> tuple[str, str]:
    """Split what may be the beginning of a mark off a text's end."""
    longest = max(map(len, beginnings))
    sizes = range(min(len(text), longest), 0, -1)
    kept = next((size for size in sizes if text[-size:] in beginnings), 0)
    return text[: len(text) - kept], text[len(text) - kept :]


def _beginnings(*marks: str) -> frozenset[str]:
    return frozenset(mark[:size] for mark in marks for size in range(1, len(mark)))


_BEGINNINGS = {"": _beginnings(*_MARKS)} | {end: _beginnings(end) for end in BLOCKS.values()}
