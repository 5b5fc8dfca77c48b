"""The sentences of all codes that leave through `web.py`."""

from collections.abc import Mapping
from typing import Any

from assistant.chat import sentences as chat
from assistant.llm import sentences as llm
from assistant.toolbox import sentences as toolbox
from serving.errors import sentence

OWN = {
    "host_not_allowed": "不接受的 Host：{host}",
    "origin_not_allowed": "不接受的 Origin：{origin}",
    "unauthorized": "需要密码",
}
SENTENCES = chat.SENTENCES | llm.SENTENCES | OWN

CHAT_FAILED = "LLM/对话处理失败: {}"  # the tutorial's, before the reason
CONFIG_FAILED = "加载 MCP 配置失败: {}"  # likewise
GREETING = "🛍️ 智能商城助手：请打开 {address}（{tools} 个工具{down}）"


def explain(code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence of a code; without one, the code itself."""
    if code in toolbox.SENTENCES:
        return toolbox.sentence_of(code, params)
    return sentence(SENTENCES, code, params) if code in SENTENCES else code
