"""Tools that take exactly the arguments they declare, and schemas that every host understands."""

import inspect
import json
from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.types import ToolAnnotations
from pydantic import ConfigDict, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema

MOST_VALUES = 1_000  # in the arguments of one call; the largest order has some 300
MOST_PROBLEMS = 20  # told of one call
LONGEST_NAME = 100  # characters of an argument's name that are repeated


class _StrictArguments(ArgModelBase):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Untitled(GenerateJsonSchema):
    def field_title_should_be_set(self, _: Any) -> bool:
        return False  # "Maxprice" tells a model nothing, and hosts show it in their forms


class _Metadata(FuncMetadata):
    """Arguments as they are; results are not validated again, since they are the service's own."""

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        # Some hosts write an object or a list as JSON text. Only there: a customer "null" keeps that name.
        written = {name for name in ("input_data", "productIds") if isinstance(data.get(name), str)}
        return data | {name: _parsed(data[name]) for name in written}


def _parsed(text: str) -> Any:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if too_many(parsed) else parsed


def too_many(arguments: Any) -> bool:
    """Tell whether there are more values than any call needs: each may be a problem, and cost its time."""
    count, rest = 0, [arguments]
    while rest:
        node = rest.pop()
        if isinstance(node, dict | list):
            count += len(node)
            if count > MOST_VALUES:
                return True
            rest.extend(node.values() if isinstance(node, dict) else node)
    return False


def strict_tool(
    function: Callable[..., Any],
    title: str,
    annotations: ToolAnnotations,
    meta: dict[str, Any] | None = None,
) -> Tool:
    """Make a tool that refuses unknown arguments and wrong types, which the SDK by itself lets pass."""
    description = inspect.cleandoc(function.__doc__ or "")
    tool = Tool.from_function(
        function, title=title, description=description, annotations=annotations, meta=meta
    )
    lenient = tool.fn_metadata
    strict = create_model(lenient.arg_model.__name__, __base__=(_StrictArguments, lenient.arg_model))
    tool.fn_metadata = _Metadata(arg_model=strict, output_schema=_flat(lenient.output_schema))
    tool.parameters = _flat(strict.model_json_schema(schema_generator=_Untitled))
    return tool


def _flat(schema: Any) -> Any:
    """Put definitions in the place of references to them: not every host follows those."""
    definitions = schema.get("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(item) for item in node]
        if not isinstance(node, dict):
            return node
        rest = {key: put(value) for key, value in node.items() if key not in {"$ref", "$defs"}}
        return put(definitions[node["$ref"].removeprefix("#/$defs/")]) | rest if "$ref" in node else rest

    return put(schema)


def complaint(error: ValidationError) -> str:
    """Say what is wrong with the arguments: the fields and the rules, not the values."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    told = [
        f"{'.'.join(map(printable, each['loc'])) or '参数名'}: {each['msg']}"
        for each in problems[:MOST_PROBLEMS]
    ]
    if len(problems) > MOST_PROBLEMS:
        told.append(f"还有 {len(problems) - MOST_PROBLEMS} 处")
    return "参数错误：" + "；".join(told)


def printable(name: object) -> str:
    """Return a name that a client made up: cut, and without the lone surrogates that no answer can carry."""
    return str(name)[:LONGEST_NAME].encode(errors="backslashreplace").decode()
