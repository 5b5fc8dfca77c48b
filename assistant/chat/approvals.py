"""What the user lets run, and what follows from it for a call."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assistant.chat.history import Call
from assistant.chat.interfaces import Tool
from serving.errors import CodedError

MAX_SHOWN = 200  # characters of broken arguments that are shown to the model

# A call runs, waits for the user, or is rejected for a reason with a code.
Verdict = Literal["run", "wait"] | CodedError


@dataclass(frozen=True)
class ToolName:
    """A tool by its own name, whatever it is like by now."""

    server: str
    tool: str


@dataclass(frozen=True)
class AllowedTool(ToolName):
    """A tool as it was when the user allowed it for good."""

    fingerprint: str


@dataclass(frozen=True)
class Approvals:
    """The user's decisions: see `Chat.turn`."""

    by_call: Mapping[str, bool]
    confirmed: Mapping[str, Mapping[str, Any]]
    auto_approve: Collection[AllowedTool]
    ask_first: Collection[ToolName]
    ask: bool

    def are_needed(self, tool: Tool) -> bool:
        """Whether a call of this tool needs an approval; the server's hint alone never avoids one."""
        if ToolName(tool.server, tool.name) in self.ask_first:
            return True
        allowed = [each for each in self.auto_approve if (each.server, each.tool) == (tool.server, tool.name)]
        if any(each.fingerprint == tool.fingerprint for each in allowed):
            return False
        return self.ask and (bool(allowed) or not tool.read_only)

    def verdict(
        self, call: Call, tool: Tool | None, *, is_current: bool, is_genuine: bool, has_begun: bool
    ) -> Verdict:
        """Decide on a call of this tool, if there is one.

        No message of the user came after a current call; the id of a genuine one was issued for exactly this
        call; one that has begun writes, and this process has begun it before.
        """
        if tool is None:
            return CodedError("unknown_tool", tool=call.name)
        if call.args() is None:
            return CodedError("arguments_not_json", arguments=call.arguments[:MAX_SHOWN])
        needed, decision = self.are_needed(tool), self.by_call.get(call.id)
        if tool.read_only and not needed:
            return "run" if is_current else CodedError("interrupted")
        if decision is False:
            return CodedError("declined")
        if decision is None and needed:
            return "wait" if is_current else CodedError("unconfirmed")
        if not is_genuine:
            return CodedError("not_genuine")
        # What the user has not decided on by itself runs now, or not at all once the talk has gone on.
        may_run = decision is not None or is_current or has_begun
        return "run" if may_run else CodedError("outcome_unknown")
