"""The sentence of every code that reaches the page."""

from collections.abc import Mapping
from typing import Any

from assistant.chat import sentences as chat
from assistant.llm import sentences as llm
from assistant.toolbox import sentences as toolbox
from serving.errors import sentence

SENTENCES = chat.SENTENCES | llm.SENTENCES


def explain(code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence of a code; a code of somebody else's model says itself."""
    if code in toolbox.SENTENCES:
        return toolbox.sentence_of(code, params)
    return sentence(SENTENCES, code, params) if code in SENTENCES else code
