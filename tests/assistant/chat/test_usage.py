"""What each answer took is told, as the provider counted it."""

from dataclasses import replace

import pytest

from assistant.chat import Chat, events
from assistant.chat.interfaces import Usage
from tests.support.scripted import HELLO, SECRET, ScriptedModel, calls, look_and_buy, only, says, take

pytestmark = pytest.mark.anyio


async def test_each_round_tells_what_it_took_and_one_that_nobody_counted_nothing() -> None:
    looking = replace(calls(("shop_look", "{}")), usage=Usage(100, 5, 64, 0.01))
    model = ScriptedModel(looking, says("one"), replace(says("two"), usage=Usage(9, 1)))
    model.window = 128_000
    talk = Chat(model, look_and_buy(), SECRET)
    told = only(await take(talk, [HELLO]), events.UsageEvent)
    assert told == [events.UsageEvent(100, 5, 64, 0.01, 128_000)]
    assert only(await take(talk, [HELLO]), events.UsageEvent) == [events.UsageEvent(9, 1, 0, None, 128_000)]
