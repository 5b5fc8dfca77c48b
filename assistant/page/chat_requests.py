"""What the two routes of the chat are asked."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from assistant.chat.approvals import AllowedTool, SwitchedOff, ToolName
from assistant.chat.history import Content, History
from assistant.chat.questions import GivenAnswer
from assistant.llm.registry import Choice
from assistant.page.routes import JsonBody


class ChatRequest(JsonBody):
    """The tutorial's: a question, and what was said before."""

    message: Content = Field(examples=["有哪些商品？"])
    history: History | None = None
    model: Choice | None = None


class Confirmed(BaseModel):
    """What the user was shown of a purchase and agreed to."""

    model_config = ConfigDict(strict=True)

    total: FiniteFloat


class StreamRequest(JsonBody):
    """A conversation to carry on, and what the user lets run: see `Chat.turn`."""

    messages: History = Field(
        description="a question may have parts: text, a file's text with its name, a picture as a data URL",
        examples=[[{"role": "user", "content": "有哪些商品？"}]],
    )
    approvals: dict[str, bool] = Field({}, description="decisions on waiting calls, by call id")
    confirmed: dict[str, Confirmed] = Field({}, description="the total that was agreed to, by call id")
    edits: dict[str, dict[str, Any]] = Field({}, description="new arguments of waiting calls, by call id")
    answers: dict[str, GivenAnswer] | None = Field(
        None, description="to servers' questions, by their ids; without it no server is told that it can ask"
    )
    autoApprove: list[AllowedTool] = Field([], description="never ask while the fingerprint stays the same")
    askFirst: list[ToolName] = Field([], description="ask even if the tool only reads")
    off: list[SwitchedOff] = Field([], description="not offered, not run; without `tool` a whole server")
    model: Choice | None = Field(None, description="one of the `models` of `/api/status`; else the first")

    def decisions(self) -> dict[str, Any]:
        """Return what the user lets run, as `Chat.turn` takes it."""
        return {
            "approvals": self.approvals,
            "confirmed": {id: agreed.model_dump() for id, agreed in self.confirmed.items()},
            "edits": self.edits,
            "answers": self.answers,
            "auto_approve": self.autoApprove,
            "ask_first": self.askFirst,
            "off": self.off,
        }
