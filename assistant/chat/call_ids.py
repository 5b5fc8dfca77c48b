"""Ids of tool calls. Each carries a MAC, so that an approval holds for exactly the call that was shown."""

import base64
import hmac
import json
import re
import secrets

from assistant.chat.history import Call
from assistant.chat.interfaces import ToolRequest

MAX_TOOL_NAME = 64  # characters of a tool's name: the limit of OpenAI and others
PREFIX = "call_"
NONCE_BYTES = 12
NONCE_LENGTH = 16  # characters of the nonce in base64
MAC_BYTES = 12


class CallIds:
    """Issues and verifies ids; `secret` keys the MAC and is the same in all replicas."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, request: ToolRequest) -> Call:
        """Give a call that the model wants an id of 37 characters; OpenAI takes 40."""
        # Some providers refuse every later request whose history holds a name of other characters.
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", request.name)[:MAX_TOOL_NAME] or "unknown"
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        return Call(self._id(nonce, name, request.arguments), name, request.arguments, request.signed)

    def is_genuine(self, call: Call) -> bool:
        """Whether this id was issued for exactly this call."""
        nonce = call.id[len(PREFIX) : len(PREFIX) + NONCE_LENGTH]
        expected = self._id(nonce, call.name, call.arguments)
        return hmac.compare_digest(call.id.encode(), expected.encode())

    def _id(self, nonce: str, name: str, arguments: str) -> str:
        text = json.dumps([nonce, name, arguments]).encode()
        mac = hmac.digest(self._secret, text, "sha256")[:MAC_BYTES]
        return f"{PREFIX}{nonce}{base64.urlsafe_b64encode(mac).decode()}"
