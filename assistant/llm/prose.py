"""Thoughts and tool calls that a model writes into its answer's text, told apart while the text streams in.

A block of thoughts is taken out wherever it stands; a mark that ends thoughts without having begun any says
that all before it was thought. What a mark of calls begins is held back until the end: it is a call where it
is the whole answer, left out where text stands around it, and text if it holds no call. In code all is text.
"""

import re
from collections.abc import Collection, Generator, Iterator, Sequence

from assistant.chat.interfaces import Restart, Thought, ToolRequest
from assistant.llm.calls import is_json
from assistant.llm.prose_calls import MAX_MARKUP, MarkupReader, Schemas, calls_in, is_known

_TAGS = [
    "think", "thinking", "thought", "thoughts", "reasoning", "reflection", "scratchpad", "seed:think",
    "mm:think", "longcat_think", "Think", "THINK", "Thinking", "THINKING", "antThinking", "analysis",
]  # fmt: skip
_TAG_ENDS = [f"</{tag}{blank}>" for tag in _TAGS for blank in ("", " ")]
BLOCKS = {f"<{tag}{blank}>": f"</{tag}>" for tag in _TAGS for blank in ("", " ")} | {
    "[THINK]": "[/THINK]",  # Mistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|START_THINKING|>": "<|END_THINKING|>",  # Cohere
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|think|>": "<|/think|>",
    "<|channel>thought\n": "<channel|>",  # Gemma 4
    "<unused94>thought\n": "<unused95>",  # MedGemma
    "<|channel|>analysis<|message|>": "<|end|>",  # harmony, gpt-oss
}
ENDS = {*BLOCKS.values(), *_TAG_ENDS} - {"<|end|>"}
PREAMBLE = "<|channel|>commentary<|message|>"  # harmony's, before the calls of the same answer
FRAMES = {PREAMBLE, "<|channel|>final<|message|>", "<|start|>assistant", "<|end|>", "<|return|>"}
SPACER = "]<]minimax[>["  # stands before each tag of MiniMax M3
FRAMES |= {SPACER, f"{SPACER}</tool_call>"}
FRAMES |= {"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|begin_of_solution|>", "<|end_of_solution|>"}
FRAMES |= {"<|im_start|>assistant", "<|start_header_id|>assistant<|end_header_id|>", "<|assistant|>"}
FRAMES |= {"<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<end_of_turn>"}
FRAMES.add("<｜end▁of▁sentence｜>")
AROUND = {"<answer>": "</answer>", "<response>": "</response>"}  # of a whole answer
CALLS = {
    *(f"<{bar}{word}" for bar in ("", *"|｜") for word in ("tool", "TOOLCALL", "function", "DSML", "invoke")),
    *(f"<{name}:" for name in ("minimax", "seed", "xai", "steptml", "antml")),
    "<longcat_tool_call>", "<start_function_call>", "<|action_start|>", "<|START_ACTION|>", "<|python_",
    "<use_mcp_tool>", "[TOOL_CALLS]",
    *(f"<|start|>assistant{channel} to=" for channel in ("", "<|channel|>commentary", "<|channel|>analysis")),
    "<|channel|>commentary to=", "<|channel|>analysis to=", "```tool_", "```function_call", "✿FUNCTION✿",
}  # fmt: skip
_MARKS = sorted({*BLOCKS, *ENDS, *FRAMES, *AROUND, *AROUND.values(), *CALLS}, key=len, reverse=True)
_MARK = re.compile("|".join(map(re.escape, _MARKS)))
_FENCE = re.compile(r" {0,3}(```|~~~)")
_HEAD = 6  # characters of a line that show whether it is a fence
MAX_UNDECIDED = 80  # characters of an answer's beginning until it is known to begin no call

# How calls without marks begin, beside JSON and the name of a tool: Functionary's, ReAct's, Gemma's, Phi's;
# and harmony's when its marks have been taken away.
_WORDS = (
    *(">>>", "Thought", "Action", "Tool", "**Action", "print(", "default_api.", "functions.", "functools["),
    *("analysis", "commentary to=", "assistantcommentary to=", "assistant to=", "to=functions."),
)
_THOUGHT = re.compile(
    r"\s*(?:analysis(.*?)assistant(?:final|(?=commentary))"
    r"|Thought ?[:：](.*?)\n(?:(?=Action ?[:：])|Final Answer ?[:：]\s*))",
    re.DOTALL,
)

Part = str | Thought | Restart


class ProseReader:
    """Reads the text of one answer.

    `text` is what stands of it; at the end `calls` are those that it is, and `left_out` is what stands not in
    the text: the calls, or what cannot be run.
    """

    def __init__(self, tools: Schemas) -> None:
        """Make a reader; `tools` are those that were offered."""
        self.calls: Sequence[ToolRequest] = ()
        self.left_out = ""
        self._tools = tools
        self._has_thoughts = False
        self._raw: list[str] = []  # all that came
        self._shown: list[str] = []
        self._buffer = ""  # what has come and is not decided on
        self._block: tuple[str, str] | None = None  # the marks of the thoughts that are open
        self._around = ""  # the mark that ends the answer
        self._is_preamble = False
        self._mark: str | None = None  # of the calls that may have begun; "" for such without marks
        self._held: list[str] = []  # of thoughts after text, or of calls
        self._line, self._has_odd_ticks, self._is_fenced = "", False, False  # of the text
        names = "|".join(map(re.escape, tools)) or "(?!)"
        self._words = (*tools, *(f"<{name}>" for name in tools), *_WORDS)
        self._bare = re.compile(
            rf"\{{|\[\s*\{{|<(?:{names})>|(?:\[\s*|print\()?(?:default_api\.|functions\.)?(?:{names})\s*[({{]"
            rf"|>>>\s*(?:{names})\b"
            r"|(?:Thought|(?:\*\*)?Action|Tool) ?[:：]|(?:assistant ?)?(?:commentary )?to=|functools\["
            r"|analysis[A-Z\u3400-\u9fff]"
        )

    @property
    def text(self) -> str:
        """What stands of the text."""
        return "".join(self._shown)

    @property
    def thought(self) -> str:
        """All before the text, as the model wrote it, if it began with thoughts."""
        raw, text = "".join(self._raw), self.text or self.left_out
        return raw[: len(raw) - len(text)] if self._has_thoughts and raw.endswith(text) else ""

    def feed(self, delta: str) -> Iterator[Part]:
        """Add a piece of the answer's content, and yield what is to be shown for it."""
        self._raw.append(delta)
        self._buffer += delta
        yield from self._go_on()

    def end(self) -> Iterator[Part]:
        """Yield what was held back, the answer being over."""
        while self._mark is not None:
            mark, markup = self._mark, "".join([*self._held, self._buffer])
            self._mark, self._held, self._buffer = None, [], ""
            if mark:
                yield from self._in_markup(mark, markup)
            else:
                yield from self._in_bare(markup)
        rest, self._buffer = self._buffer, ""
        if self._block and not self._shown:
            yield Thought(rest)
        elif self._block:  # never closed: the mark was a word among others
            yield from self._show("".join([self._block[0], *self._held, rest]))
        else:
            yield from self._show(rest)

    def _in_markup(self, mark: str, markup: str) -> Iterator[Part]:
        """Take the calls from a markup that a mark begins; what is behind them is read on."""
        markup = markup.replace('<|"|>', '"').replace("<escape>", '"').replace(SPACER, "")  # Gemma's quotes
        reader = MarkupReader(markup, self._tools)
        calls = reader.calls() if len(markup) <= MAX_MARKUP else []
        has_text = any(map(str.strip, self._shown))
        rest, is_torn = markup[reader.at :], len(markup) > MAX_MARKUP or reader.is_torn()
        if calls and not rest and (not has_text or self._is_preamble):
            self.calls, self.left_out = calls, self.left_out + markup
        elif not calls and not is_torn and (has_text or " " in rest.strip() or not reader.at):
            yield from self._show(mark)  # a word among others
            self._buffer = markup[len(mark) :]
        else:
            is_over = rest and (is_torn or not calls)
            self.left_out += markup if is_over else markup[: reader.at]
            self._buffer = "" if is_over else rest
        yield from self._go_on()

    def _in_bare(self, markup: str) -> Iterator[Part]:
        """Take the calls that an answer without marks is, all of tools that were offered, or show it."""
        thought = _THOUGHT.match(markup)
        calls = calls_in(markup[thought.end() :] if thought else markup, self._tools)
        if thought and (calls or not markup[: thought.end()].endswith("\n")):
            yield Thought((thought[1] or thought[2]).strip())
            markup = markup[thought.end() :]
        if calls and all(is_known(call.name, self._tools) and _is_meant(call.arguments) for call in calls):
            self.calls, self.left_out = calls, markup
        else:
            yield from self._show(markup)

    def _go_on(self) -> Iterator[Part]:
        goes_on = True
        while goes_on and self._buffer and not self._is_undecided():
            if self._mark is not None:
                self._held.append(self._buffer)
                self._buffer = ""
            elif self._block:
                goes_on = yield from self._in_block(self._block[1])
            else:
                goes_on = yield from self._in_text()

    def _is_undecided(self) -> bool:
        """Whether more must come before it is known what the answer begins with."""
        if self._shown or self._block or self._mark is not None:
            return False
        head = self._buffer.lstrip()
        if self._bare.match(head):
            self._mark = ""
            return False
        word = re.sub(r"^(?:\[|>>>|print\(|default_api\.|functions\.|\s)+", "", head).rstrip()
        return bool(head) and len(head) < MAX_UNDECIDED and any(each.startswith(word) for each in self._words)

    def _in_block(self, end: str) -> Generator[Part, None, bool]:
        """Take thoughts from the buffer; return whether there is more behind them."""
        self._has_thoughts = True
        found = _BLOCK_ENDS[end].search(self._buffer)
        mark, (thought, behind) = found and found[0], _split(self._buffer, _BEGINNINGS[end])
        if found:
            thought, behind = self._buffer[: found.start()], self._buffer[found.end() :]
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
            self._mark, self._held = mark, [mark]
        elif mark in BLOCKS:
            self._block = (mark, BLOCKS[mark])
        elif mark in ENDS:
            yield from self._took_back()
        elif mark in AROUND and not self._shown:
            self._around = AROUND[mark]
        elif mark not in FRAMES and mark != self._around:
            yield from self._show(mark)
        self._is_preamble = self._is_preamble or mark == PREAMBLE
        return True

    def _took_back(self) -> Iterator[Part]:
        """All that was told of the answer was thought."""
        self._has_thoughts = True
        if self._shown:
            yield Restart()
            yield Thought(self.text)
            self._shown, self._line = [], ""

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


def _is_meant(arguments: str) -> bool:
    """Whether a text is arguments, perhaps torn: `{query}` is a word in braces."""
    return is_json(arguments) or not re.fullmatch(r"\{[^{}\"']*\}", arguments)


def _split(text: str, beginnings: Collection[str]) -> tuple[str, str]:
    """Split what may be the beginning of a mark off a text's end."""
    longest = max(map(len, beginnings))
    sizes = range(min(len(text), longest), 0, -1)
    kept = next((size for size in sizes if text[-size:] in beginnings), 0)
    return text[: len(text) - kept], text[len(text) - kept :]


def _beginnings(*marks: str) -> frozenset[str]:
    return frozenset(mark[:size] for mark in marks for size in range(1, len(mark)))


# Some models end their thoughts with another tag than they began them with.
_ENDS_OF = {end: _TAG_ENDS if end in _TAG_ENDS else [end] for end in BLOCKS.values()}
_BLOCK_ENDS = {end: re.compile("|".join(map(re.escape, ends))) for end, ends in _ENDS_OF.items()}
_BEGINNINGS = {"": _beginnings(*_MARKS)} | {end: _beginnings(*ends) for end, ends in _ENDS_OF.items()}
