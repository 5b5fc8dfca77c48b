"""Tools that take exactly the arguments they declare, and schemas that every host understands."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jiter import from_json
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema

from mcp_server.failures import shown_name
from models import Strict
from serving.errors import CodedError

MAX_VALUES = 1_000  # in the arguments of one call; the largest order has about 300
MAX_PROBLEMS = 20  # reported for one call


class _UntitledSchema(GenerateJsonSchema):
    def field_title_should_be_set(self, _: Any) -> bool:
        return False  # a generated title such as "Maxprice" says nothing, and hosts show it in their forms


class Lenient(BaseModel):
    """Takes what can be read in one way only, such as a number as text, but no unknown fields."""

    model_config = ConfigDict(extra="forbid")


class UnparsedMetadata(FuncMetadata):
    """Leaves text alone that reads as JSON, so that a customer called "null" keeps that name.

    Written for mcp 2.3, which parses such text in `pre_parse_json`. Should a later version do that elsewhere,
    this customer's orders cannot be asked for by name; what is refused does not change with it.
    """

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments as they came."""
        return data


@dataclass(frozen=True)
class StrictTool:
    """A tool as the SDK serves it, and the strict model of its arguments."""

    tool: Tool
    arguments: type[BaseModel]

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.tool.annotations is not None and self.tool.annotations.read_only_hint is True

    @cached_property
    def _optional(self) -> frozenset[str]:
        fields = self.arguments.model_fields.items()
        return frozenset(name for name, field in fields if not field.is_required())

    def checked(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments as the tool takes them. Raises CodedError."""
        if has_too_many_values(given):
            raise CodedError("too_many_values", max=MAX_VALUES)
        # Many models write blank text, or null, for what is not given.
        trimmed = {name: none_if_blank(value) for name, value in given.items()}
        left_out = self._optional
        read = {name: value for name, value in trimmed.items() if value is not None or name not in left_out}
        if isinstance(given.get("input_data"), str):  # some hosts write an object as JSON text
            read["input_data"] = read_json_text(given["input_data"])
        try:
            self.arguments.model_validate(read)
        except ValidationError as error:
            raise invalid_arguments(error) from error
        return read


def strict_tool(
    function: Callable[..., Any], title: str, annotations: ToolAnnotations, meta: dict[str, Any] | None = None
) -> StrictTool:
    """Make a tool that refuses unknown arguments and wrong types.

    One that only reads takes what can be meant in one way only; the schema asks for the right type all the
    same. One that writes guesses nothing.
    """
    description = inspect.cleandoc(function.__doc__ or "")
    tool = Tool.from_function(
        function, title=title, description=description, annotations=annotations, meta=meta
    )
    lenient = tool.fn_metadata
    base = Lenient if annotations.read_only_hint else Strict
    strict = create_model(lenient.arg_model.__name__, __base__=(base, lenient.arg_model))
    # Without an output model results are not validated again: they are the service's own.
    tool.fn_metadata = UnparsedMetadata(
        arg_model=lenient.arg_model, output_schema=_inlined(lenient.output_schema)
    )
    tool.parameters = _inlined(strict.model_json_schema(schema_generator=_UntitledSchema))
    return StrictTool(tool, strict)


def hints(*, reads: bool = False, destroys: bool, repeatable: bool) -> ToolAnnotations:
    """Return what a host wants to know before it runs a tool unasked."""
    return ToolAnnotations(
        read_only_hint=reads, destructive_hint=destroys, idempotent_hint=repeatable, open_world_hint=False
    )


def optional(description: str, **bounds: Any) -> Any:
    """Describe an argument that may be left out; null is taken, since models send it, but not advertised."""
    return Field(description=description, json_schema_extra=_without_null, **bounds)


def has_too_many_values(arguments: Any) -> bool:
    """Whether there are more values than any call needs: each one costs time to validate."""
    count, rest = 0, [arguments]
    while rest:
        node = rest.pop()
        if isinstance(node, dict | list):
            count += len(node)
            if count > MAX_VALUES:
                return True
            rest.extend(node.values() if isinstance(node, dict) else node)
    return False


def _without_null(schema: dict[str, Any]) -> None:
    # Inspector and some models want one type.
    schema |= schema.pop("anyOf", [{}])[0]
    if schema["default"] is None:
        del schema["default"]


def none_if_blank(value: Any) -> Any:
    """Return text without the blanks around it, and None for text that says nothing."""
    return (value.strip() or None) if isinstance(value, str) else value


def read_json_text(text: str) -> Any:
    """Return what a text says that is JSON, within bounds and no name twice; any other text as it is."""
    try:
        parsed = from_json(text.encode(), catch_duplicate_keys=True)
    except ValueError:
        return text
    return text if has_too_many_values(parsed) else parsed


def _inlined(schema: Any) -> Any:
    """Replace references by what they refer to: not every host resolves them."""
    definitions = schema.get("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(item) for item in node]
        if not isinstance(node, dict):
            return node
        rest = {key: put(value) for key, value in node.items() if key not in {"$ref", "$defs"}}
        return put(definitions[node["$ref"].removeprefix("#/$defs/")]) | rest if "$ref" in node else rest

    return put(schema)


def invalid_arguments(error: ValidationError) -> CodedError:
    """Return what is wrong: the fields and the rules, not the values."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    reported = [
        {"field": ".".join(map(shown_name, each["loc"])), "message": each["msg"]}
        for each in problems[:MAX_PROBLEMS]
    ]
    return CodedError("invalid_arguments", problems=reported, omitted=max(0, len(problems) - MAX_PROBLEMS))
