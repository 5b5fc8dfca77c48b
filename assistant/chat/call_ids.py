"""Ids of tool calls. Their MACs make an approval hold for exactly the call and the tool that were shown."""

import base64
import hmac
import json
import logging
import re
import secrets
from typing import Literal

from assistant.chat.history import Call
from assistant.chat.interfaces import Tool, ToolRequest

MAX_TOOL_NAME = 64  # characters of a tool's name: the limit of OpenAI and others
NONCE_BYTES, CALL_MAC_BYTES, TOOL_MAC_BYTES = 12, 9, 5

log = logging.getLogger(__name__)

Seal = Literal["genuine", "tool_changed", "not_genuine"]


class CallIds:
    """Issues and verifies ids of 40 characters, OpenAI's limit; `secret` is the same in all replicas."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._has_told = False

    def issue(self, request: ToolRequest, tool: Tool | None, kind: str) -> Call:
        """Give a call that the model wants an id that begins with a kind; `tool` is the one that it means.

        The kinds: `call_` as the model made it; `mend_` with arguments that it wrote otherwise; `asks_` for a
        call that asks whatever was allowed, since it was written as prose, or since it may have run before.
        """
        # Some providers refuse every later request whose history holds a name of other characters.
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", request.name)[:MAX_TOOL_NAME] or "unknown"
        call = Call("", name, request.arguments, request.signed)
        id = self._id(kind, secrets.token_bytes(NONCE_BYTES), call, tool)
        return Call(id, call.name, call.arguments, call.signed)

    def check(self, call: Call, tool: Tool) -> Seal:
        """Say whether this id was issued for exactly this call, and whether the tool has changed since."""
        try:
            nonce = base64.urlsafe_b64decode(call.id[5:] + "=")[:NONCE_BYTES]
        except ValueError:
            return "not_genuine"
        expected = self._id(call.id[:5], nonce, call, tool)
        if hmac.compare_digest(call.id.encode(), expected.encode()):
            return "genuine"
        # The last characters are the tool's; the one before them holds bits of both.
        same_call = hmac.compare_digest(call.id[:33].encode(), expected[:33].encode())
        if same_call and len(call.id) == len(expected):
            return "tool_changed"
        if not self._has_told:
            self._has_told = True
            log.warning("一个确认不是本服务发出的；有多个 web.py 时，请给它们设置同一个 WEB_SECRET")
        return "not_genuine"

    def _id(self, kind: str, nonce: bytes, call: Call, tool: Tool | None) -> str:
        of_call = mac(self._secret, kind, nonce.hex(), call.name, call.arguments)[:CALL_MAC_BYTES]
        of_tool = mac(self._secret, "tool", nonce.hex(), tool.fingerprint if tool else "")[:TOOL_MAC_BYTES]
        return kind + base64.urlsafe_b64encode(nonce + of_call + of_tool).decode().rstrip("=")


def mac(secret: bytes, kind: str, *texts: str) -> bytes:
    """Return the MAC of texts of one kind."""
    return hmac.digest(secret, json.dumps([kind, *texts]).encode(), "sha256")


def is_mended(call: Call) -> bool:
    """Whether the model wrote the arguments otherwise than they are executed."""
    return call.id.startswith("mend_")
