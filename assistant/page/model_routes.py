"""The routes by which a person chooses who answers: providers with their keys, their models, a test."""

import asyncio
import time
import tomllib
from contextlib import aclosing
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi import Path as InPath
from pydantic import Field, SecretStr

from assistant.llm import listing
from assistant.llm.credentials import mended_base, mended_key
from assistant.llm.model import OpenAIModel, failure_of
from assistant.llm.registry import KeptProvider
from assistant.page.routes import AppServices, JsonBody, own_page_only, refusals
from assistant.page.sentences import explain
from serving.access import is_forwarded
from serving.addresses import is_own_name
from serving.errors import CodedError
from serving.redaction import remember

TEST_SECONDS = 60.0  # a model of this machine may have to be loaded first
MAX_KEPT = 50  # models of one provider
ID = r"^[a-z0-9][a-z0-9.:_\[\]-]{0,99}$"


async def _is_locked(request: Request, services: AppServices) -> bool:
    """Whether models cannot be changed this way: who has the password may, or who sits at this machine."""
    given = services.settings
    is_behind = bool(given.root_path or given.trusted_proxies or given.hosts) or is_forwarded(request.scope)
    return not given.admits and (is_behind or not is_own_name(request.headers.get("host", "")))


Locked = Annotated[bool, Depends(_is_locked)]


async def _unlocked(is_locked: Locked) -> None:
    if is_locked:
        raise CodedError("models_locked")


@cache
def catalogue() -> list[dict[str, Any]]:
    """Return the providers that are offered: `{id, name: {zh, en}, base, key}`."""
    text = Path(listing.__file__).with_name("providers.toml").read_text(encoding="utf-8")
    return [{"id": id, **about} for id, about in tomllib.loads(text).items()]


class Provider(JsonBody):
    """A provider as it is typed; without a key that of the kept one is meant, at the same address."""

    id: str = Field(pattern=ID, examples=["deepseek"])
    base: str = Field(max_length=2_000, examples=["https://api.deepseek.com"])
    key: SecretStr | None = None


class ProviderTest(Provider):
    """And one of its models."""

    model: str = Field(min_length=1, max_length=listing.MAX_NAME)


class ProviderToKeep(JsonBody):
    """A provider with the models that can be chosen, the usual one first."""

    base: str = Field(max_length=2_000)
    key: SecretStr | None = None
    models: list[listing.ListedModel] = Field(min_length=1, max_length=MAX_KEPT)


def _read(services: AppServices, id: str, base: str, key: SecretStr | None) -> tuple[str, str]:
    """Return address and key, mended. Raises CodedError: they are none, or the key is of another address."""
    try:
        address = mended_base(base).rstrip("/")
    except ValueError:
        address = ""
    if not address or any(mark in address for mark in "@?#\\"):  # where a secret would be shown again
        raise CodedError("base_unusable")
    try:
        typed = mended_key(key.get_secret_value()) if key else ""
    except ValueError as error:
        raise CodedError("key_unusable") from error
    kept = services.models.providers().get(id)
    if not typed and kept and kept.key:
        if kept.base != address:
            raise CodedError("key_needed")
        typed = kept.key
    remember(typed)
    return address, typed


OF_MODELS: dict[str, Any] = {"prefix": "/api/models", "tags": ["models"]}
router = APIRouter(**OF_MODELS, dependencies=[Depends(own_page_only)])
unlocked = APIRouter(
    **OF_MODELS, responses=refusals(403, 409, 503), dependencies=[Depends(own_page_only), Depends(_unlocked)]
)
Id = Annotated[str, InPath(pattern=ID)]


@router.get("")
async def providers(services: AppServices, locked: Locked) -> dict[str, Any]:
    """Return what is kept, `held` by settings, and can be added; of a key never more than its end."""
    kept = {} if locked else services.models.providers()
    return {
        "locked": locked,
        "damaged": services.models.was_damaged,
        "held": services.settings.held(),
        "catalogue": catalogue(),
        "kept": [
            {
                "id": id,
                "base": each.base,
                "key": each.hint,
                "models": [asdict(model) for model in each.models],
            }
            for id, each in kept.items()
        ],
    }


@unlocked.get("/local")
async def local(services: AppServices) -> dict[str, Any]:
    """Return the model servers that answer on this machine."""
    found = await listing.local_servers(services.settings.ports())
    return {"servers": [{"id": id, **asdict(each)} for id, each in found]}


@unlocked.post("/list")
async def list_models(provider: Provider, services: AppServices) -> dict[str, Any]:
    """Return the provider's own list, and the base URL at which it answers."""
    base, key = _read(services, provider.id, provider.base, provider.key)
    found = await listing.list_models(base, key or listing.NO_KEY)
    return {"base": found.base, "models": [*map(asdict, found.models)]}


@unlocked.post("/test")
async def test(asked: ProviderTest, services: AppServices) -> dict[str, Any]:
    """Let a model call a harmless tool: `{ok, seconds}`, and `{code, params, detail}` where it did not."""
    base, key = _read(services, asked.id, asked.base, asked.key)
    model = OpenAIModel(asked.model, key or listing.NO_KEY, base, silence_seconds=TEST_SECONDS, retries=0)
    began = time.monotonic()
    async with aclosing(model):
        try:
            async with asyncio.timeout(TEST_SECONDS):
                failure = await failure_of(model)
        except TimeoutError:
            failure = CodedError("model_late")
    seconds = round(time.monotonic() - began, 1)
    if failure is None:
        return {"ok": True, "seconds": seconds}
    code, params = failure.code, failure.params
    return {"ok": False, "seconds": seconds, "code": code, "params": params, "detail": explain(code, params)}


@unlocked.put("/{id}", status_code=204)
async def keep(id: Id, provider: ProviderToKeep, services: AppServices) -> None:
    """Keep a provider with its key in a private file of this machine; it becomes the usual one."""
    base, key = _read(services, id, provider.base, provider.key)
    await services.models.keep(id, KeptProvider(base, key, tuple(provider.models)))
    services.toolbox.news.ring()


@unlocked.delete("/{id}", status_code=204)
async def forget(id: Id, services: AppServices) -> None:
    """Forget a provider and its key."""
    await services.models.forget(id)
    services.toolbox.news.ring()
