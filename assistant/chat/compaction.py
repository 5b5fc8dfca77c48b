"""A conversation that nears the end of what its model reads: one message stands for its older turns.

The model sums up what was said in them. What was done is listed beside that from the results themselves, so
that no order, key, refusal or unknown outcome depends on the model's words. The page is told, keeps both, and
shows the older turns folded; `compacted` marks the message, with the list as the next one carries it on.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import Any

from assistant.chat.arguments import is_writable_json
from assistant.chat.history import (
    MAX_SENT,
    Message,
    attached,
    calls_made,
    calls_of,
    length_of,
    objects_in,
    result_text,
    text_of,
    truncated,
)
from assistant.chat.interfaces import Model, ModelError, Reply, Tool, Usage, estimated_tokens
from assistant.chat.names import find_tool
from assistant.chat.sentences import DONE_BEFORE, DONE_EARLIER, SUMMARISE, SUMMARY

FULL = 0.8  # of the window: with more in it the conversation is compacted
# Of the window, for the turns that stay, for what is summed up, and for the list of what was done.
SHARE = 0.3
MAX_STAYING = 3  # questions that stay with their answers, where they fit
MIN_SHARE = 2_000  # tokens, or characters
PICTURE_TOKENS, MESSAGE_TOKENS = 1_000, 8
LENGTHS = (2_000, 500, 120)  # characters of each message that is summed up: the first with which all fit
MAX_TOLD = 300  # characters of arguments and results in the list ...
MAX_FIELDS = 1_000  # ... and of all plain fields of a result
MARK = "compacted"


def tokens_of(history: Sequence[Message]) -> float:
    """Return about how many tokens a history is."""
    return sum(map(_tokens, history))


def _tokens(message: Message) -> float:
    parts = attached(message)
    texts = [part["text"] for part in parts if part["type"] == "text"]
    texts += [text_of(message), *(call.arguments for call in calls_of(message))]
    return sum(map(estimated_tokens, texts)) + PICTURE_TOKENS * len(parts) + MESSAGE_TOKENS


def is_full(history: Sequence[Message], window: int | None, beside: float) -> bool:
    """Whether a history, with the tokens `beside` it, fills most of what is read or sent."""
    if sum(map(length_of, history)) > MAX_SENT:
        return True
    return window is not None and tokens_of(history) + beside > FULL * window


class Older:
    """The turns that are compacted, and how many questions stay: none if there is nothing to gain."""

    def __init__(self, history: Sequence[Message], window: int | None) -> None:
        self.share = max(SHARE * (window or tokens_of(history)), MIN_SHARE)
        asked = [i for i, each in enumerate(history) if each["role"] == "user" and MARK not in each]
        staying = range(min(MAX_STAYING, len(asked)), 0, -1)
        fitting = (n for n in staying if tokens_of(history[asked[-n] :]) <= self.share)
        self.questions = next(fitting, min(1, len(asked)))
        self.at = asked[-self.questions] if asked else 0
        self.messages = list(history[: self.at])
        if all(MARK in each for each in self.messages):
            self.questions = 0

    async def message(self, model: Model, tools: Sequence[Tool]) -> tuple[Message, Usage | None]:
        """Return the message that stands for them, and what it took to make.

        Raises ModelError: the model does not sum them up.
        """
        async with aclosing(model.reply(self._request(), [])) as pieces:
            replies = [piece async for piece in pieces if isinstance(piece, Reply)]
        if not replies or not replies[0].text.strip():
            raise ModelError("no_reply")
        done = [*_carried(self.messages), *_done(self.messages, tools)]
        said = truncated(replies[0].text.strip(), int(self.share))
        listed, left = "", list(done)
        while left and len(listed) + len(left[-1]) < self.share:
            listed = f"\n{left.pop()}{listed}"
        listed = (DONE_EARLIER.format(count=len(left)) if left else "") + listed
        content = SUMMARY.format(summary=_marked(said), done=DONE_BEFORE + _marked(listed) if done else "")
        return {"role": "user", "content": content, MARK: done}, replies[0].usage

    def _request(self) -> list[Message]:
        texts = ["\n".join(_told(self.messages, length)) for length in LENGTHS]
        text = next((each for each in texts if len(each) <= self.share), texts[-1])
        said = f"<conversation>\n{_marked(text[-int(self.share) :])}\n</conversation>"
        return [{"role": "system", "content": SUMMARISE}, {"role": "user", "content": said}]


def _told(messages: Sequence[Message], length: int) -> Iterator[str]:
    for message in messages:
        names = [f"[{part.get('name') or 'picture'}]" for part in attached(message)]
        names += [f"→ {call.name}({truncated(call.arguments, length)})" for call in calls_of(message)]
        cut = length if message["role"] != "tool" else length // 4
        yield " ".join([f"{message['role']}:", truncated(text_of(message), cut), *names])


def _carried(messages: Sequence[Message]) -> list[str]:
    marks = [message[MARK] for message in messages if isinstance(message.get(MARK), list)]
    return [line for lines in marks for line in lines if isinstance(line, str)]


def _done(messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[str]:
    """Yield a line for each call that may have written: what it was, and what came of it."""
    for call, result in calls_made(messages):
        tool = find_tool(call.name, tools)
        if result is None or (isinstance(tool, Tool) and tool.read_only):
            continue
        line = {"call": call.name, "id": call.id, "arguments": truncated(call.arguments, MAX_TOLD)}
        error = {"error": result["error"]} if result.get("error") else {}
        yield json.dumps(line | {"result": _short(result_text(result))} | error, ensure_ascii=False)


def _short(text: str) -> Any:
    """Return what a result says in a few words: of an object its plain fields, such as an order's number."""
    objects, _ = objects_in(text)  # behind the one, a server may say something else in words
    is_one = text.lstrip().startswith("{") and len(objects) == 1 and isinstance(objects[0], dict)
    fields = objects[0].items() if is_one and is_writable_json(objects[0]) else ()
    plain = {key: each for key, each in fields if not isinstance(each, dict | list)}
    short = {key: truncated(each, MAX_TOLD) if isinstance(each, str) else each for key, each in plain.items()}
    is_short = short and len(json.dumps(short, ensure_ascii=False)) <= MAX_FIELDS
    return short if is_short else truncated(text, MAX_TOLD)


def _marked(text: str) -> str:
    return text.replace("</", "<\\/")
