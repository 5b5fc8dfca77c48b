"""What the user lets run, and what follows from it for a call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.chat.history import Call
from assistant.chat.interfaces import Tool

MAX_SHOWN = 200  # characters of broken arguments that are shown to the model


@dataclass(frozen=True)
class Verdict:
    """A call runs, waits for the user, or is rejected for a reason with a code."""

    action: Literal["run", "wait", "reject"]
    code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


RUN, WAIT = Verdict("run"), Verdict("wait")


@dataclass(frozen=True)
class Approvals:
    """The user's decisions: see `Chat.turn`."""

    by_call: Mapping[str, bool]
    auto_approve: frozenset[str]
    ask_first: frozenset[str]
    ask: bool

    def are_needed(self, tool: Tool) -> bool:
        """Whether a call of this tool needs an approval; the server's hint alone never avoids one."""
        name = f"{tool.server}/{tool.name}"
        if name in self.ask_first:
            return True
        allowed = {name, f"{name}@{tool.fingerprint}"} & self.auto_approve
        return self.ask and not tool.read_only and not allowed

    def verdict(
        self, call: Call, tool: Tool | None, *, is_current: bool, is_genuine: bool, has_begun: bool
    ) -> Verdict:
        """Decide on a call.

        Args:
            call: The call.
            tool: Its tool, if there is one of this name.
            is_current: No message of the user came after the call.
            is_genuine: Its id was issued for exactly this call.
            has_begun: It writes, and this process has begun it before.
        """
        if tool is None:
            return _rejected("unknown_tool", tool=call.name)
        if call.args() is None:
            return _rejected("arguments_not_json", arguments=call.arguments[:MAX_SHOWN])
        needed, decision = self.are_needed(tool), self.by_call.get(call.id)
        if tool.read_only and not needed:
            return RUN if is_current else _rejected("interrupted")
        if decision is False:
            return _rejected("declined")
        if decision is None and needed:
            return WAIT if is_current else _rejected("unconfirmed")
        if not is_genuine:
            return _rejected("not_genuine")
        # What the user has not decided on by itself runs now, or not at all once the talk has gone on.
        may_run = decision is not None or is_current or has_begun
        return RUN if may_run else _rejected("outcome_unknown")


def _rejected(code: str, **params: Any) -> Verdict:
    return Verdict("reject", code, params)
