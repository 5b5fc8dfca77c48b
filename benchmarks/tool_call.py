"""One tool call: by hand through the browser's back end, and by the MCP client within it alone."""

from pathlib import Path

from assistant.toolbox import Toolbox, read_config
from benchmarks.contenders import tutorial_web
from benchmarks.measure import Contender, Here, Show, in_turns, one_by_one
from benchmarks.results import Result, against_each
from benchmarks.services import Service, Stage
from benchmarks.wire import Connection, request

ROUNDS = 5
CALLS = {"tutorial": 8, "ours": 60}  # a round
MARKS = {"tutorial": 12.0}
ALL_THREE = "all three services"
SERVER, TOOL = "product-mcp", "get_products"
CALL = {"server": SERVER, "name": TOOL, "args": {}}


async def tutorial(stage: Stage) -> list[Service]:
    """Start the three services of the tutorial's way, the browser's back end last."""
    api = await stage.contender("tutorial_api")
    server = await stage.contender("tutorial_server", f"{api.url}/api")
    return [api, server, await stage.contender("tutorial_web", f"{server.url}/sse")]


async def ours(stage: Stage) -> list[Service]:
    """Start our three services, the browser's back end last."""
    api = await stage.api()
    mcp = await stage.mcp(api)
    return [api, mcp, await stage.web(mcp)]


async def posts(services: list[Service], path: str, body: object, count: int) -> Contender:
    """Make a burst of the same POST to the last of the services, over one connection."""
    service = services[-1]
    connection = await Connection.open(service.address)
    data = request(service.address, "POST", path, body)
    first = await connection.ask("POST", path, body)
    assert "智能手表" in first.body.decode(), first.body

    async def call() -> None:
        answer = await connection.send(data)
        assert answer.status == 200, answer.body

    return Contender(lambda: one_by_one(call, count), services, [connection])


async def measure(stage: Stage, show: Show) -> Result:
    """Measure the median of one call after another."""
    chains = {"tutorial": await tutorial(stage), "ours": await ours(stage)}
    contenders = {
        name: await posts(chain, "/api/call-tool", CALL, CALLS[name]) for name, chain in chains.items()
    }
    measured = await in_turns(contenders, ROUNDS, show)
    return against_each("tool call by POST to the web service", "ms", measured, MARKS, ALL_THREE)


async def measure_client(stage: Stage, show: Show) -> Result:
    """Measure the same without the browser's request: the MCP client of either way, in this process."""
    api, server, _ = await tutorial(stage)
    our_api, our_mcp, _ = await ours(stage)
    settings = stage.web_settings(our_mcp)
    async with Toolbox(read_config(Path(settings["MCP_CONFIG_PATH"]))) as toolbox:
        await toolbox.link(SERVER).until_ready()

        async def theirs() -> None:
            assert "智能手表" in await tutorial_web.call(f"{server.url}/sse", TOOL, {})

        async def call() -> None:
            assert "智能手表" in (await toolbox.call(SERVER, TOOL, {})).text

        contenders = {
            "tutorial": Contender(lambda: one_by_one(theirs, CALLS["tutorial"]), [Here(), api, server], []),
            "ours": Contender(lambda: one_by_one(call, CALLS["ours"]), [Here(), our_api, our_mcp], []),
        }
        measured = await in_turns(contenders, ROUNDS, show)
    return against_each("tool call, web.py's client to database", "ms", measured, MARKS, "client and servers")
