"""A model tried out: it is to call a harmless tool."""

from assistant.chat.interfaces import Model, ModelError, Reply
from serving.errors import CodedError

QUESTION = "请调用一次 check 工具。"
CHECK = {"name": "check", "description": "检查工具调用", "parameters": {"type": "object", "properties": {}}}


async def failure_of(model: Model) -> CodedError | None:
    """Return why a model is not to be used here, or None: it has answered with a call."""
    has_called = False
    try:
        question = [{"role": "user", "content": QUESTION}]
        async for part in model.reply(question, [{"type": "function", "function": CHECK}]):
            has_called = isinstance(part, Reply) and bool(part.calls)
    except ModelError as error:
        return error
    return None if has_called else CodedError("model_calls_nothing")
