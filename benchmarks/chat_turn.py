"""A chat turn with three tool calls, with a model that answers at once."""

from benchmarks.measure import Show, in_turns
from benchmarks.results import Result, against_each
from benchmarks.services import Stage, until_tools
from benchmarks.tool_call import ALL_THREE, posts, tutorial

ROUNDS = 5
TURNS = {"tutorial": 4, "ours": 30}  # a round
MARKS = {"tutorial": 14.0}
QUESTION = {"message": "有哪些商品？", "history": []}


async def measure(stage: Stage, show: Show) -> Result:
    """Measure the median of one turn after another."""
    api = await stage.api()
    mcp = await stage.mcp(api)
    ours = await stage.contender("our_web", env=stage.web_settings(mcp))
    await until_tools(ours)
    chains = {"tutorial": await tutorial(stage), "ours": [api, mcp, ours]}
    contenders = {
        name: await posts(chain, "/api/chat", QUESTION, TURNS[name]) for name, chain in chains.items()
    }
    measured = await in_turns(contenders, ROUNDS, show)
    return against_each("chat turn, 3 tool calls, a model without delay", "ms", measured, MARKS, ALL_THREE)
