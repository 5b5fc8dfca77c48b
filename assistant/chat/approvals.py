"""What the user lets run, and what follows from it for a call."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assistant.chat.arguments import ArgumentsError, parse
from assistant.chat.call_ids import Seal
from assistant.chat.history import Call
from assistant.chat.interfaces import Tool
from assistant.chat.running_calls import Memory
from serving.errors import CodedError


class AskAgainError(CodedError):
    """The user's decision on a call cannot be used, and is asked for again."""


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
class SwitchedOff:
    """A tool by its own name that the user has switched off, or all of a server."""

    server: str
    tool: str | None = None


@dataclass(frozen=True)
class Approvals:
    """The user's decisions: see `Chat.turn`."""

    by_call: Mapping[str, bool]
    confirmed: Mapping[str, Mapping[str, Any]]
    auto_approve: Collection[AllowedTool]
    ask_first: Collection[ToolName]
    ask: bool
    off: Collection[SwitchedOff] = ()

    def is_off(self, tool: Tool) -> bool:
        """Whether the user has switched a tool off."""
        return SwitchedOff(tool.server) in self.off or SwitchedOff(tool.server, tool.name) in self.off

    def are_needed(self, tool: Tool, call: Call) -> bool:
        """Whether this call of a tool needs an approval; the server's hint alone never avoids one."""
        if ToolName(tool.server, tool.name) in self.ask_first:
            return True
        known = [each for each in self.auto_approve if (each.server, each.tool) == (tool.server, tool.name)]
        if known and all(each.fingerprint != tool.fingerprint for each in known):
            return self.ask
        return self.ask and not tool.read_only and (not known or not call.id.startswith("call_"))

    def is_always_allowed(self, tool: Tool, call: Call) -> bool:
        """Whether a call that writes runs without a decision of its own."""
        return not tool.read_only and call.id not in self.by_call and not self.are_needed(tool, call)

    def may_write(self, tool: Tool, call: Call) -> bool:
        """Whether a call counts as writing: it does where its server says so, or where the user doubts it."""
        return not tool.read_only or self.are_needed(tool, call)

    def confirmation(self, call: Call) -> Mapping[str, Any] | None:
        """Return what the user was shown of an approved call and agreed to."""
        return self.confirmed.get(call.id) if self.by_call.get(call.id) else None

    def verdict(self, call: Call, tool: Tool, *, is_current: bool, seal: Seal, memory: Memory) -> Verdict:
        """Decide on a call of this tool.

        No message of the user came after a current call. `seal` says whether its id was issued for exactly
        this call, `memory` what this process knows of it.
        """
        try:
            parse(call.arguments)
        except ArgumentsError as error:
            return error
        off = CodedError("tool_off", tool=tool.name) if self.is_off(tool) else None
        if not self.may_write(tool, call):
            return off or ("run" if is_current else CodedError("interrupted"))
        if call.id.startswith("asks_") and not self.ask:
            return CodedError("call_in_prose")
        if memory == "begun" and seal != "not_genuine":
            return "run"  # which tells what came of it, whatever is decided by now
        needed, decision = self.are_needed(tool, call), self.by_call.get(call.id)
        if decision is False:
            return CodedError("declined")
        if off:  # one that nobody approved has not run; of another this process may know nothing
            may_have_run = memory == "nothing" and (decision or not needed)
            return CodedError("outcome_unknown") if may_have_run else off
        if decision is None and needed:
            return "wait" if is_current else CodedError("unconfirmed")
        return self._usable(tool, seal, memory, is_due=decision is not None or is_current)

    def _usable(self, tool: Tool, seal: Seal, memory: Memory, *, is_due: bool) -> Verdict:
        """Say whether a decision holds for this call, for the tool as it is, and has not been used elsewhere.

        What the user has not decided on by itself is due at once, or not at all once the talk has gone on.
        """
        if seal == "not_genuine":
            return CodedError("not_genuine")
        if not is_due:
            return CodedError("outcome_unknown")
        if seal == "tool_changed":
            return AskAgainError("tool_changed", server=tool.server, tool=tool.name)
        if memory == "nothing" and not tool.honours_key:
            return AskAgainError("approval_expired")
        return "run"
