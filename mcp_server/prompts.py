"""The prompts that hosts offer as commands: recommend, analyse the orders, check what to restock."""

from collections.abc import Sequence
from typing import Annotated, Any

from mcp import types
from mcp.server.mcpserver import MCPServer
from pydantic import Field, TypeAdapter, ValidationError

from mcp_server.failures import protocol_failure
from mcp_server.resources import Resources
from mcp_server.rest_client import Operation, QueryParams, RestClient, RestError
from mcp_server.results import list_result
from mcp_server.sentences import TEXT_KEY, Wording, said, wording
from models import MAX_LIMIT, MAX_NAME, StorableText
from serving.errors import CodedError

MAX_COMPLETIONS = 100  # what one completion may carry (MCP specification, Completion)
GROUPS = ("product", "customer", "day")
THRESHOLDS = ("10", "20", "50", "100")

Preference = Annotated[str, Field(description="喜好或用途，例如：主动降噪、长续航、送给跑步的朋友")]
Budget = Annotated[str, Field(description="预算上限，人民币元，例如 1000；不填则不限")]
Group = Annotated[str, Field(description="按什么汇总：product（商品）、customer（客户）或 day（日期）")]
Customer = Annotated[str, Field(description="只分析这位客户的订单；不填则分析全部")]
_CUSTOMER_NAME: TypeAdapter[str] = TypeAdapter(Annotated[StorableText, Field(max_length=MAX_NAME)])
Threshold = Annotated[str, Field(description="库存不超过多少件时提醒补货，例如 20")]


class Prompts:
    """The three prompts over one shop, and the completion of their arguments and of resources' ids."""

    def __init__(self, rest: RestClient, resources: Resources) -> None:
        self._rest = rest
        self._resources = resources

    def add_to(self, server: MCPServer[Any]) -> None:
        """Offer the prompts on a server."""
        server.prompt("recommend", "按喜好和预算推荐", "按喜好、预算和库存推荐商品。")(self.recommend)
        server.prompt("analyse_orders", "分析订单", "分析销售情况，汇总数据已附上。")(self.analyse_orders)
        server.prompt("restock_check", "补货检查", "列出快卖完的商品，建议补货数量。")(self.restock_check)
        server.completion()(self.complete)  # type: ignore[no-untyped-call]  # the SDK's decorator is untyped

    async def recommend(self, preference: Preference, budget: Budget = "") -> types.TextContent:
        """Ask for a recommendation."""
        limit = wording("budget", budget=budget) if budget else wording("any_budget")
        return _asks(wording("recommend", preference=preference, budget=limit))

    async def analyse_orders(
        self, groupBy: Group = "product", customerName: Customer = ""
    ) -> types.TextContent:
        """Ask for an analysis of the orders, with the summary in it."""
        if groupBy not in GROUPS:
            raise protocol_failure(CodedError("invalid_group"))
        try:
            _CUSTOMER_NAME.validate_python(customerName)
        except ValidationError as error:
            raise protocol_failure(CodedError("invalid_customer", max=MAX_NAME)) from error
        query = {"groupBy": groupBy, "customerName": customerName or None, "limit": MAX_LIMIT}
        summary = await self._listed("orders", "/orders/summary", query)
        whose = wording("customers", customerName=customerName) if customerName else wording("everybodys")
        return _asks(wording("analyse", whose=whose, group=wording(f"by_{groupBy}"), data=summary))

    async def restock_check(self, threshold: Threshold = THRESHOLDS[1]) -> types.TextContent:
        """Ask what to restock, with the stock in it."""
        if not (threshold.isascii() and threshold.isdigit() and len(threshold) < 10):
            raise protocol_failure(CodedError("invalid_threshold"))
        query = {"maxQuantity": threshold, "limit": MAX_LIMIT}
        stock = await self._listed("inventory", "/inventory", query)
        return _asks(wording("restock", threshold=threshold, data=stock))

    async def _listed(self, operation: Operation, path: str, query: QueryParams) -> str:
        try:
            result = list_result(await self._rest.get(operation, path, query), 0)
        except RestError as error:
            raise protocol_failure(error) from error
        return "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))

    async def complete(
        self,
        ref: types.PromptReference | types.ResourceTemplateReference,
        argument: types.CompletionArgument,
        _: types.CompletionContext | None,
    ) -> types.Completion:
        """Return the known values that contain what was typed; none when the shop cannot be asked.

        The id of a product or an order is found by its name, too.
        """
        try:
            if isinstance(ref, types.PromptReference):
                values = dict.fromkeys(await self._values(ref.name, argument.name), "")
            else:
                values = await self._resources.ids(ref.uri)
        except RestError:
            values = {}
        typed = argument.value.lower()
        fitting = [value for value, name in values.items() if typed in value.lower() or typed in name.lower()]
        return types.Completion(
            values=fitting[:MAX_COMPLETIONS], total=len(fitting), has_more=len(fitting) > MAX_COMPLETIONS
        )

    async def _values(self, prompt: str, argument: str) -> Sequence[str]:
        look = self._rest.look
        match prompt, argument:
            case "recommend", "preference":
                products = await look("products", "/products", limit=MAX_LIMIT)
                features = (part for product in products for part in product["description"].split("，"))
                return list(dict.fromkeys(filter(None, features)))
            case "recommend", "budget":
                products = await look("products", "/products", limit=MAX_LIMIT)
                return [f"{price:g}" for price in sorted({product["price"] for product in products})]
            case "analyse_orders", "groupBy":
                return GROUPS
            case "analyse_orders", "customerName":
                rows = await look("orders", "/orders/summary", groupBy="customer", limit=MAX_LIMIT)
                return [row["label"] for row in rows]
            case "restock_check", "threshold":
                return THRESHOLDS
        return ()


def _asks(text: Wording) -> types.TextContent:
    return types.TextContent(type="text", text=said(text), meta={TEXT_KEY: text})
