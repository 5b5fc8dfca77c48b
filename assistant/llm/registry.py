"""The models that can answer: the settings' own, those that were added in the page, or a stand-in."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

from assistant.chat.interfaces import Model
from assistant.llm.listing import NO_KEY, ListedModel
from assistant.llm.model import OpenAIModel, load_client
from serving.errors import CodedError
from serving.kept import Kept
from serving.redaction import remember

log = logging.getLogger(__name__)

SETTINGS = "settings"  # the provider of the model that the settings name
STAND_IN = "demo"  # the name of the model that answers while there is no other
LOOK_SECONDS = 1.0  # between two looks for what another process has changed
HINT = 4  # characters of a key that are shown again ...
LEAST = 12  # ... of one that is no shorter


@dataclass(frozen=True)
class Choice:
    """A model of a provider that is configured."""

    provider: str
    name: str


@dataclass(frozen=True)
class KeptProvider:
    """A provider as it was added: its key goes to this base URL only. The first model is its usual one."""

    base: str
    key: str = field(repr=False)
    models: tuple[ListedModel, ...]
    at: float = field(default_factory=time.time)  # the last that was added comes first

    @property
    def hint(self) -> str:
        """Return all that is shown again of the key."""
        return "" if not self.key else "…" + (self.key[-HINT:] if len(self.key) >= LEAST else "")

    def listed(self, name: str) -> ListedModel | None:
        """Return the model of this name."""
        return next((model for model in self.models if model.name == name), None)

    def serves_as(self, other: "KeptProvider | None", name: str) -> bool:
        """Whether nothing that a client of this model holds is another there."""
        if other is None or (self.base, self.key) != (other.base, other.key):
            return False
        return self.listed(name) == other.listed(name)


@dataclass(eq=False)
class _Opened:
    """A model in use by so many turns; it is closed after the last of them once another is meant."""

    model: Model
    kept: KeptProvider | None = None
    users: int = 0


class Models:
    """The models that can answer; the first is used where none is chosen.

    What is kept of providers is shared by all processes with the same file. `settings_model` comes first;
    `stand_in` makes the model that answers while there is no other, when it is needed and in a thread;
    `pattern` is how those of providers are.
    """

    def __init__(
        self,
        kept: Kept,
        settings_model: Model | None,
        stand_in: Callable[[], Model],
        pattern: OpenAIModel | None = None,
    ) -> None:
        self._kept, self._stand_in = kept, stand_in
        self._pattern = pattern or OpenAIModel("", NO_KEY)
        self._version: object = None
        self._is_odd = False
        self._providers: dict[str, KeptProvider] = {}
        self._opened: dict[Choice, _Opened] = {}
        self._retired: list[_Opened] = []
        self._making = asyncio.Lock()
        self.settings_model = settings_model
        if settings_model:
            self._opened[Choice(SETTINGS, settings_model.name)] = _Opened(settings_model)

    @property
    def was_damaged(self) -> bool:
        """Whether some of the kept providers could not be read, so that they have to be added anew."""
        return self._kept.was_damaged or self._is_odd

    def providers(self) -> Mapping[str, KeptProvider]:
        """Return what is kept by provider, as the file has it now."""
        version = self._kept.version()
        if version is None or version != self._version:
            self._version = version
            self._read()
        return self._providers

    def _read(self) -> None:
        found, self._is_odd = {}, False
        try:
            texts = self._kept.items()
        except CodedError as error:  # it is locked, or not ours to read: what is known stays
            log.warning("读不了页面里添加的模型服务：%s", error)
            self._version = None
            return
        for id, text in texts.items():
            try:
                found[id] = TypeAdapter(KeptProvider).validate_json(text)
            except ValidationError:
                self._is_odd = True
                log.warning("页面里添加的模型服务 %s 读不懂，没有用它", id)
        remember(*(provider.key for provider in found.values()))
        self._providers = dict(sorted(found.items(), key=lambda each: -each[1].at))
        for choice, opened in [*self._opened.items()]:
            if opened.kept and not opened.kept.serves_as(found.get(choice.provider), choice.name):
                self._retire(choice)

    def choices(self) -> list[Choice]:
        """Return the models that can be chosen, the usual one first; none while a stand-in answers."""
        own = [Choice(SETTINGS, self.settings_model.name)] if self.settings_model else []
        return own + [
            Choice(id, model.name) for id, kept in self.providers().items() for model in kept.models
        ]

    @property
    def source(self) -> str:
        """The provider of the usual model, where it was added in the page."""
        choices = self.choices()
        return choices[0].provider if choices and choices[0].provider != SETTINGS else ""

    @property
    def configured(self) -> Model | None:
        """The model that answers where none is chosen, without making the stand-in for that."""
        choice = next(iter(self.choices()), None)
        return self._entry(choice).model if choice else None

    @property
    def usual(self) -> Model:
        """The model that answers where none is chosen."""
        return self._entry(None).model

    def _entry(self, wanted: Choice | None) -> _Opened:
        choices = self.choices()
        choice = wanted or next(iter(choices), None)
        if choice is not None and choice not in choices:
            raise CodedError("model_gone", model=choice.name, provider=choice.provider)
        choice = choice or Choice("", "")  # of the stand-in
        if choice not in self._opened:
            self._opened[choice] = self._made(choice)
        return self._opened[choice]

    def _made(self, choice: Choice) -> _Opened:
        if not choice.name:
            return _Opened(self._stand_in())
        kept = self._providers[choice.provider]
        listed = kept.listed(choice.name) or ListedModel(choice.name)
        model = replace(
            self._pattern,
            name=choice.name,
            api_key=kept.key or NO_KEY,
            base_url=kept.base,
            vision=None if listed.sees else listed.sees,  # a list may be wrong: a refusal teaches
            window=listed.window,
            origin=choice.provider,
        )
        return _Opened(model, kept)

    async def load(self) -> None:
        """Import what the usual model needs, which takes up to a second that a first question would wait."""
        usual, stand_in = self.configured, Choice("", "")
        if isinstance(usual, OpenAIModel):
            await load_client()
        elif usual is None:
            async with self._making:
                if stand_in not in self._opened:
                    self._opened[stand_in] = _Opened(await asyncio.to_thread(self._stand_in))

    @asynccontextmanager
    async def opened(self, wanted: Choice | None = None) -> AsyncIterator[Model]:
        """Give a model, which stays open until the end, whatever is changed meanwhile.

        Raises CodedError `model_gone`: it is not, or no longer, among those that can be chosen.
        """
        if not self.choices():
            await self.load()
        entry = self._entry(wanted)
        entry.users += 1
        try:
            yield entry.model
        finally:
            entry.users -= 1
            await self._close_retired()

    async def keep(self, id: str, provider: KeptProvider) -> None:
        """Add a provider, or change it. Raises CodedError `state_unwritable`."""
        text = TypeAdapter(KeptProvider).dump_json(provider).decode()
        await asyncio.to_thread(self._kept.put, id, text)
        self.providers()
        await self._close_retired()

    async def forget(self, id: str) -> None:
        """Remove a provider with its key. Raises CodedError `state_unwritable`."""
        await asyncio.to_thread(self._kept.drop, id)
        self.providers()
        await self._close_retired()

    async def follow(self, on_change: Callable[[], None]) -> None:
        """Call `on_change` when another process, or this one, has changed something; without end."""
        before = self.providers()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (now := self.providers()) is not before:
                before = now
                await self._close_retired()
                on_change()

    def _retire(self, choice: Choice) -> None:
        self._retired.append(self._opened.pop(choice))

    async def _close_retired(self) -> None:
        for opened in [each for each in self._retired if not each.users]:
            self._retired.remove(opened)
            if isinstance(opened.model, OpenAIModel):
                await opened.model.aclose()

    async def aclose(self) -> None:
        """Close all connections to providers."""
        for choice in [*self._opened]:
            self._retire(choice)
        for opened in self._retired:
            opened.users = 0
        await self._close_retired()
