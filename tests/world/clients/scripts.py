"""What runs in the clients' own environments: each makes the given calls through its framework.

Texts, not modules, since what they import is not installed here. Where a framework drives tools by a model, a
scripted model stands in for one.
"""

PRELUDE = r"""
import asyncio, json, re, sys

url, calls, results = sys.argv[1], json.loads(sys.argv[2]), []

def next_call():
    "The next call, with the key that the failure before it has told."
    name, arguments = calls[len(results)]
    told = re.search(r"idempotencyKey(?:：|\\uff1a)([0-9a-f]+)", results[-1]) if results else None
    return name, json.loads(json.dumps(arguments).replace("$KEY", told[1] if told else ""))

def report(tools, schema):
    schema = json.dumps(schema, ensure_ascii=False)
    print(json.dumps({"tools": list(tools), "schema": schema, "results": results}))
"""

OPENAI_AGENTS = """
from agents import Agent, Model, ModelResponse, Runner, Usage, set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

class Script(Model):
    offered = []

    async def get_response(self, system_instructions, input, model_settings, tools, *args, **more):
        self.offered = tools
        said = input if isinstance(input, list) else []
        told = [item["output"] for item in said if item.get("type") == "function_call_output"]
        results[:] = [json.dumps(one, ensure_ascii=False) for one in told]
        if len(results) < len(calls):
            name, arguments = next_call()
            call = {"call_id": f"c{len(results)}", "name": name, "arguments": json.dumps(arguments)}
            out = ResponseFunctionToolCall(type="function_call", **call)
        else:
            text = ResponseOutputText(type="output_text", text="done", annotations=[])
            message = {"id": "m", "role": "assistant", "status": "completed", "content": [text]}
            out = ResponseOutputMessage(type="message", **message)
        return ModelResponse(output=[out], usage=Usage(), response_id=None)

    def stream_response(self, *args, **more):
        raise NotImplementedError

async def main():
    set_tracing_disabled(True)
    model = Script()
    params = {"url": url, "timeout": 30}
    async with MCPServerStreamableHttp(params=params, client_session_timeout_seconds=30) as server:
        await Runner.run(Agent(name="buyer", model=model, mcp_servers=[server]), "buy")
    report([tool.name for tool in model.offered], model.offered[-1].params_json_schema)

asyncio.run(main())
"""

LLAMA_INDEX = """
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

async def main():
    listed = await McpToolSpec(client=BasicMCPClient(url)).to_tool_list_async()
    tools = {tool.metadata.name: tool for tool in listed}
    while len(results) < len(calls):
        name, arguments = next_call()
        results.append(str((await tools[name].acall(**arguments)).content))
    report(tools, tools["create_purchase"].metadata.get_parameters_dict())

asyncio.run(main())
"""

FASTMCP = """
from fastmcp import Client
from fastmcp.exceptions import ToolError

async def main():
    async with Client(url) as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
        while len(results) < len(calls):
            name, arguments = next_call()
            try:
                results.append((await client.call_tool(name, arguments)).content[0].text)
            except ToolError as error:
                results.append(str(error))
    report(tools, tools["create_purchase"].model_dump(mode="json"))

asyncio.run(main())
"""

LANGCHAIN = """
from langchain_core.tools import ToolException
from langchain_mcp_adapters.client import MultiServerMCPClient

async def main():
    client = MultiServerMCPClient({"shop": {"url": url, "transport": "streamable_http"}})
    tools = {tool.name: tool for tool in await client.get_tools()}
    while len(results) < len(calls):
        name, arguments = next_call()
        try:
            results.append(json.dumps(await tools[name].ainvoke(arguments), ensure_ascii=False))
        except ToolException as error:
            results.append(str(error))
    report(tools, tools["create_purchase"].args_schema)

asyncio.run(main())
"""

PYDANTIC_AI = """
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart
from pydantic_ai.messages import RetryPromptPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

offered = []

def model(messages, info):
    offered[:] = info.function_tools
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    told = [part.content for part in parts if isinstance(part, (ToolReturnPart, RetryPromptPart))]
    results[:] = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in told]
    if len(results) < len(calls):
        return ModelResponse(parts=[ToolCallPart(*next_call())])
    return ModelResponse(parts=[TextPart("done")])

async def main():
    async with Agent(FunctionModel(model), toolsets=[MCPToolset(url)]) as agent:
        await agent.run("buy")
    report([tool.name for tool in offered], offered[-1].parameters_json_schema)

asyncio.run(main())
"""

SCRIPTS = {
    "openai-agents": OPENAI_AGENTS,
    "llama-index": LLAMA_INDEX,
    "fastmcp": FASTMCP,
    "langchain": LANGCHAIN,
    "pydantic-ai": PYDANTIC_AI,
}

# A server that asks in the middle of a call.
FASTMCP_ASKS = """
from dataclasses import dataclass
from typing import Literal

from fastmcp import Context, FastMCP

server = FastMCP("asks")


@dataclass
class Booking:
    guests: int
    meal: Literal["lunch", "dinner"]


@server.tool
async def book(ctx: Context) -> str:
    answer = await ctx.elicit("For how many?", Booking)
    if answer.action != "accept":
        return f"not booked: {answer.action}"
    return f"{answer.data.meal} for {answer.data.guests}"


server.run(show_banner=False)
"""
