"""The settings that name a model, and the models that come of them."""

import re
from collections.abc import Callable
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr

from assistant.chat.interfaces import Model
from assistant.llm.credentials import mended_base, mended_key
from assistant.llm.listing import NO_KEY
from assistant.llm.model import OpenAIModel
from assistant.llm.registry import Models
from serving.kept import Kept
from serving.settings import ServiceSettings, where_set

ProviderKey = Annotated[SecretStr, AfterValidator(lambda key: SecretStr(mended_key(key.get_secret_value())))]
ProviderBase = Annotated[str, AfterValidator(mended_base)]


def _ports(listed: str) -> str:
    for port in filter(None, (each.strip() for each in listed.split(","))):
        if not re.fullmatch(r"\d{1,5}", port) or not 0 < int(port) < 65_536:
            raise ValueError(f"{port} 不是端口，应为 1 到 65535 的数字，用逗号分隔")
    return listed


Ports = Annotated[str, AfterValidator(_ports)]


class ModelSettings(ServiceSettings):
    """The part of a service's settings that is about models."""

    other_names: ClassVar[dict[str, str]] = {
        "OPENAI_BASE_URL": "OPENAI_API_BASE",  # OpenAI's own clients
        "LLM_BASE_URL": "OPENAI_API_BASE",
        "LLM_API_KEY": "OPENAI_API_KEY",
        "OPENAI_MODEL": "LLM_MODEL",
    }

    openai_api_key: ProviderKey | None = Field(None, description="任何兼容 OpenAI 的模型服务的密钥")
    openai_api_base: ProviderBase | None = Field(None, description="模型服务的地址；不设则为 OpenAI")
    llm_model: str = Field("deepseek-chat", description="模型名称")
    llm_max_tokens: int | None = Field(None, ge=1, description="一个回答最多多少个词元；不设则不发送")
    llm_vision: bool | None = Field(None, description="模型是否看得懂图片；不设则先发送，被拒绝后不再发送")
    llm_temperature: float = Field(0.7, ge=0, le=2, description="回答的随机程度；不接受此参数的模型不发送")
    llm_local_ports: Ports = Field("11434,1234,8080,8000", description="在本机的哪些端口上寻找模型服务")

    def held(self) -> dict[str, str]:
        """Return which settings name the model, each with where it stands; none if they name none."""
        found = where_set(self, ("openai_api_key", "openai_api_base", "llm_model"))
        return found if self.openai_api_key or self.openai_api_base else {}

    def ports(self) -> list[int]:
        """Return where model servers of this machine are looked for."""
        return [int(port) for port in self.llm_local_ports.split(",") if port.strip()]

    def models(self, kept: Kept, stand_in: Callable[[], Model], given: Model | None = None) -> Models:
        """Return the models that can answer; `given` stands for the one that the settings name."""
        named = OpenAIModel(
            self.llm_model,
            self.openai_api_key.get_secret_value() if self.openai_api_key else NO_KEY,
            self.openai_api_base,
            temperature=self.llm_temperature,
            max_tokens=self.llm_max_tokens,
            vision=self.llm_vision,
        )
        is_named = bool(self.openai_api_key or self.openai_api_base)
        return Models(kept, given or (named if is_named else None), stand_in, named)
