"""Models from the page: providers kept with their keys, lists, a test, and who answers a conversation."""

import asyncio
import json
import logging
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from assistant.chat.interfaces import Model
from assistant.demo.model import DemoModel
from assistant.llm.model import OpenAIModel
from assistant.llm.registry import Models
from assistant.page import state
from assistant.page.state import Overview
from assistant.toolbox import Toolbox
from serving.kept import Kept
from tests.support.asgi import serve
from tests.support.chat_service import stream
from tests.support.model_service import KEY, FakeProvider, answer, back_end, keep
from tests.support.processes import state_of

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def started(
    folder: Path, provider: FakeProvider, **given: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """The back end, and where the provider is."""
    async with serve(provider) as url, back_end(folder, **given) as http:
        yield http, f"{url}/v1"


async def status(http: httpx.AsyncClient) -> tuple[str, list[str]]:
    """The name of the usual model, and those that can be chosen."""
    told = (await http.get("/api/status")).json()
    return told["model"]["name"], [f"{each['provider']}/{each['name']}" for each in told["models"]]


async def test_a_provider_is_kept_and_answers_without_a_restart(tmp_path: Path) -> None:
    async with started(tmp_path, FakeProvider()) as (http, base):
        assert await status(http) == ("demo", [])
        listed = (
            await http.post("/api/models/list", json={"id": "deepseek", "base": base, "key": KEY})
        ).json()
        assert listed == {"base": base, "models": [{"name": "m1", "window": 64_000, "sees": None}]}
        assert (await keep(http, base, models=listed["models"])).status_code == 204
        assert await status(http) == ("m1", ["deepseek/m1"])
        assert await answer(http) == "I am m1"
        assert (await http.delete("/api/models/deepseek")).status_code == 204
        assert await status(http) == ("demo", [])


async def test_the_demo_model_is_loaded_with_the_first_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[DemoModel] = []

    def load() -> DemoModel:
        loaded.append(DemoModel())
        return loaded[0]

    monkeypatch.setattr("web._demo_model", load)
    async with back_end(tmp_path) as http:
        assert (await http.get("/api/status")).json()["model"] == {"name": DemoModel.name, "demo": True}
        assert (await http.get("/api/tools")).json()["toolTokens"] is None
        assert not loaded
        for _ in range(2):
            assert (await http.post("/api/chat", json={"message": "hello"})).json()["response"]
        assert len(loaded) == 1


async def test_a_key_is_never_shown_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    provider = FakeProvider(key="another")
    async with started(tmp_path, provider) as (http, base):
        await keep(http, base)
        told = (await http.get("/api/models")).json()["kept"]
        assert [each["key"] for each in told] == [f"…{KEY[-4:]}"]
        asked = {"id": "deepseek", "base": base, "model": "m1"}
        tested = await http.post("/api/models/test", json=asked)
        assert tested.json()["code"] == "model_unauthorized"
        refused = await http.post("/api/models/list", json={"id": "x", "base": base, "key": [KEY]})
        assert refused.status_code == 422
        chat = await http.post("/api/chat", json={"message": "hi"})
        pages = [await http.get(f"/api/{path}") for path in ("status", "models", "tools")]
    shown = "".join(page.text for page in (tested, refused, chat, *pages))
    assert KEY not in shown + "".join(
        record.getMessage() for record in caplog.records if record.name != "httpx"
    )
    assert any(key == KEY for _, key in provider.sent)


async def test_the_file_is_private_and_shared_by_replicas(tmp_path: Path) -> None:
    async with started(tmp_path, FakeProvider()) as (http, base), back_end(tmp_path) as other:
        await keep(http, base)
        assert await answer(other) == "I am m1"
        await other.delete("/api/models/deepseek")
        assert await status(http) == ("demo", [])
    file = state_of(tmp_path) / "models"
    assert sys.platform == "win32" or stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite3.connect(file) as kept:
        assert kept.execute("SELECT * FROM kept").fetchall() == []
    kept.close()
    assert KEY.encode() not in file.read_bytes()


async def test_the_page_of_another_replica_hears_of_a_change(tmp_path: Path) -> None:
    async with (
        started(tmp_path, FakeProvider()) as (http, base),
        back_end(tmp_path) as other,
        other.stream("GET", "/api/watch") as watched,
        asyncio.timeout(60),
    ):
        lines = watched.aiter_lines()
        while '"demo": true' not in await anext(lines):
            pass
        await keep(http, base)
        while '"models": [{"provider": "deepseek", "name": "m1"}]' not in await anext(lines):
            pass


async def test_another_process_that_dies_in_the_middle_leaves_it_whole(tmp_path: Path) -> None:
    async with started(tmp_path, FakeProvider()) as (http, base):
        await keep(http, base)
        file = state_of(tmp_path) / "models"
        die = (
            "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA cache_size = 1');"
            "c.execute('DELETE FROM kept');"
            "c.executemany('INSERT INTO kept VALUES (?, ?, 9e9)', [(str(n), 'x' * 999) for n in range(99)]);"
            "os._exit(1)"
        )
        await anyio.run_process([sys.executable, "-c", die, str(file)], check=False)
        assert [each.name for each in file.parent.glob("*-journal")] == ["models-journal"]
        assert await status(http) == ("m1", ["deepseek/m1"])


@pytest.mark.parametrize("damage", ["file", "entry"])
async def test_what_is_damaged_is_said_and_begun_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(tmp_path, FakeProvider()) as (http, base):
        await keep(http, base)
        file = state_of(tmp_path) / "models"
        if damage == "file":
            file.write_bytes(b"no database at all" * 99)
        else:
            with sqlite3.connect(file) as kept:
                kept.execute("UPDATE kept SET value = '{\"base\": 5}'")
            kept.close()
        assert await status(http) == ("demo", [])
        assert (await http.get("/api/models")).json()["damaged"]
        assert "模型" in caplog.text or "损坏" in caplog.text
        await keep(http, base)
        assert await answer(http) == "I am m1"


GATES: dict[str, tuple[dict[str, Any], dict[str, str], int]] = {
    "this page, here": ({}, {"Sec-Fetch-Site": "same-origin"}, 200),
    "a program here": ({}, {}, 200),
    "another site": ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
    "another port of this machine": ({}, {"Sec-Fetch-Site": "same-site"}, 403),
    "an origin that a setting lets in": (
        {"cors_origins": "https://friend.example"},
        {"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site"},
        403,
    ),
    "the same, over plain HTTP": (
        {"cors_origins": "https://friend.example"},
        {"Origin": "https://friend.example"},
        403,
    ),
    "a foreign origin": ({}, {"Origin": "https://evil.example"}, 403),
    "a rebound name": ({}, {"Host": "evil.example"}, 421),
    "through a proxy": ({}, {"X-Forwarded-For": "10.0.0.1"}, 403),
    "behind a name that is let in": ({"web_allowed_hosts": "shop.example"}, {}, 403),
    "behind a prefix": ({"root_path": "/shop"}, {}, 403),
    "behind a proxy that is trusted": ({"trusted_proxies": "10.0.0.1"}, {}, 403),
    "through a proxy, with the password": ({"web_password": "p"}, {"X-Forwarded-For": "10.0.0.1"}, 200),
    "without the password": ({"web_password": "p"}, {"Authorization": "Basic eDp4"}, 401),
}


@pytest.mark.parametrize("case", GATES)
async def test_who_may_touch_models(tmp_path: Path, case: str) -> None:
    given, headers, expected = GATES[case]
    provider = FakeProvider()
    async with started(tmp_path, provider, **given) as (http, base):
        if "Authorization" in headers:
            http.auth = lambda request: request
        body = {"id": "deepseek", "base": base, "key": KEY}
        asked = [
            await http.post("/api/models/list", json=body, headers=headers),
            await http.post("/api/models/test", json=body | {"model": "m1"}, headers=headers),
            await http.get("/api/models/local", headers=headers),
            await http.put("/api/models/x", json=body | {"models": [{"name": "m1"}]}, headers=headers),
            await http.delete("/api/models/x", headers=headers),
        ]
        statuses = [200, 200, 200, 204, 204] if expected == 200 else [expected] * 5
        assert [each.status_code for each in asked] == statuses
        assert expected == 200 or not provider.sent
        assert expected == 200 or not [each.name for each in state_of(tmp_path).glob("models*")]


async def test_a_page_that_may_not_is_told_so_and_no_key(tmp_path: Path) -> None:
    async with started(tmp_path, FakeProvider()) as (http, base):
        await keep(http, base)
        told = (await http.get("/api/models", headers={"X-Forwarded-For": "10.0.0.1"})).json()
    assert (told["locked"], told["kept"]) == (True, [])


async def test_a_key_goes_to_the_address_that_it_was_typed_for_and_nowhere_else(tmp_path: Path) -> None:
    provider, thief = FakeProvider(), FakeProvider(key="")
    async with started(tmp_path, provider) as (http, base), serve(thief) as elsewhere:
        await keep(http, base)
        body = {"id": "deepseek", "base": f"{elsewhere}/v1"}
        for asked in (
            await http.post("/api/models/list", json=body),
            await http.post("/api/models/test", json=body | {"model": "m1"}),
            await keep(http, body["base"], key=None),
        ):
            assert (asked.status_code, asked.json()["code"]) == (409, "key_needed")
        assert (await keep(http, base, key=None)).status_code == 204  # the same address
        provider.redirect = elsewhere
        assert await answer(http) == "model_redirected"
        assert thief.sent == []
        assert (await http.post("/api/models/test", json=body | {"model": "m1", "key": "typed-anew"})).json()[
            "ok"
        ]
    assert {key for _, key in thief.sent} == {"typed-anew"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"base": "not an address"}, "base_unusable"),
        ({"base": ""}, "base_unusable"),
        ({"base": "https://user:secret@x.example/v1"}, "base_unusable"),
        ({"base": "https://x.example/v1?key=secret"}, "base_unusable"),
        ({"base": "https://x.example\\y.example/v1"}, "base_unusable"),
        ({"key": "有中文"}, "key_unusable"),
        ({"key": "sk-xxx"}, "key_unusable"),
    ],
)
async def test_what_is_no_address_and_no_key_is_said(
    tmp_path: Path, change: dict[str, str], code: str
) -> None:
    async with back_end(tmp_path) as http:
        refused = await keep(http, **{"base": "http://localhost:9/v1", **change})
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        assert await status(http) == ("demo", [])


TESTS: dict[str, tuple[FakeProvider, dict[str, Any], str | None]] = {
    "it works": (FakeProvider(), {}, None),
    "the key is wrong": (FakeProvider(key="another"), {}, "model_unauthorized"),
    "the model is unknown": (FakeProvider(), {"model": "m9"}, "model_not_found"),
    "it calls no tool": (FakeProvider(calls=False), {}, "model_calls_nothing"),
    "nobody is there": (FakeProvider(), {"base": "http://localhost:9/v1"}, "model_unreachable"),
}


@pytest.mark.parametrize("case", TESTS)
async def test_a_test_lets_the_model_call_a_tool_and_says_what_came(tmp_path: Path, case: str) -> None:
    provider, change, code = TESTS[case]
    async with started(tmp_path, provider) as (http, base):
        body = {"id": "x", "base": base, "key": KEY, "model": "m1", **change}
        said = (await http.post("/api/models/test", json=body)).json()
    assert (said["ok"], said.get("code")) == (code is None, code)
    assert bool(said.get("detail")) == (code is not None)


async def test_each_conversation_has_its_model_and_the_history_fits_the_other(tmp_path: Path) -> None:
    one, two = FakeProvider("m1"), FakeProvider("m2")
    async with started(tmp_path, one) as (http, base), serve(two) as other:
        await keep(http, base, "deepseek")
        await keep(http, f"{other}/v1", "moonshot", models=[{"name": "m2"}])
        assert await status(http) == ("m2", ["moonshot/m2", "deepseek/m1"])
        history: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
        for provider, name in (("deepseek", "m1"), ("moonshot", "m2")):
            told = await stream(http, {"messages": history, "model": {"provider": provider, "name": name}})
            message = dict(told)["message"]["message"]
            assert message["content"] == f"I am {name}"
            history += [message | {"reasoning_content": "x", "model": f"{provider}/{name}"}]
            history += [{"role": "user", "content": "and you?"}]
        gone = await stream(http, {"messages": history, "model": {"provider": "openai", "name": "m1"}})
        assert [name for name, _ in gone] == ["error", "done"]
        assert gone[0][1]["code"] == "model_gone"
        assert await answer(http, model={"provider": "deepseek", "name": "m2"}) == "model_gone"
    assert "reasoning_content" not in json.dumps(two.asked)


async def test_a_turn_that_runs_ends_with_its_old_client_which_is_then_closed(tmp_path: Path) -> None:
    class Slow(FakeProvider):
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def _answer(self, request: Any) -> Any:
            self.begun.set()
            await self.go_on.wait()
            return await super()._answer(request)

    slow = Slow()
    async with started(tmp_path, slow) as (http, base):
        await keep(http, base)
        turn = asyncio.create_task(answer(http))
        await slow.begun.wait()
        await keep(http, base, key="another-key-1234", models=[{"name": "m1"}])
        await http.delete("/api/models/deepseek")
        slow.go_on.set()
        assert await turn == "I am m1"
        assert await status(http) == ("demo", [])


async def test_what_the_settings_name_comes_first_and_says_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://localhost:9/v1")
    monkeypatch.setenv("LLM_MODEL", "named")
    async with started(tmp_path, FakeProvider()) as (http, base):
        await keep(http, base)
        assert await status(http) == ("named", ["settings/named", "deepseek/m1"])
        held = (await http.get("/api/models")).json()["held"]
        assert held == {"OPENAI_API_BASE": "environment", "LLM_MODEL": "environment"}
        assert await answer(http, model={"provider": "deepseek", "name": "m1"}) == "I am m1"


async def test_a_list_of_providers_with_names_in_both_languages_is_offered(tmp_path: Path) -> None:
    async with back_end(tmp_path) as http:
        offered = (await http.get("/api/models")).json()["catalogue"]
    assert {"openai", "deepseek", "qwen", "qwen-intl", "ollama", "llamacpp"} <= {
        each["id"] for each in offered
    }
    assert all(set(each["name"]) == {"zh", "en"} for each in offered)
    assert all(
        each["base"].startswith("https://" if each["key"] else "http://localhost:") for each in offered
    )


@pytest.mark.parametrize("configured", [None, OpenAIModel("m", "k", "http://127.0.0.1:9/v1")])
async def test_the_model_is_loaded_while_a_page_watches_so_that_a_first_question_does_not_wait(
    configured: Model | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: asyncio.Queue[bool] = asyncio.Queue()
    here = asyncio.get_running_loop()

    def stand_in() -> Model:
        here.call_soon_threadsafe(
            loaded.put_nowait, threading.current_thread() is not threading.main_thread()
        )
        return DemoModel()

    async def load_client() -> None:
        loaded.put_nowait(True)

    monkeypatch.setattr(state, "LOAD_SECONDS", 0)
    monkeypatch.setattr("assistant.llm.registry.load_client", load_client)
    models = Models(Kept(), configured, stand_in)
    async with (
        asyncio.timeout(60),
        Toolbox([]) as toolbox,
        aclosing(Overview(models, toolbox).changes()) as states,
    ):
        await anext(states)
        assert await loaded.get()
        async with models.opened() as answering:
            assert isinstance(answering, type(configured or DemoModel()))
    assert loaded.empty()  # and not once more
