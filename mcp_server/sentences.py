"""What the MCP server says: the sentences of its failures, by their codes."""

from typing import Any

from serving import access

# How a failed call of the shop begins: it refused, or it gave no usable answer.
FAILED = {
    "products": ("调用产品服务失败", "请求产品服务时出错"),
    "inventory": ("调用库存服务失败", "请求库存服务时出错"),
    "orders": ("调用订单服务失败", "请求订单服务时出错"),
    "purchase": ("创建采购订单失败", "请求创建采购订单时出错"),
    "restock": ("修改库存失败", "请求修改库存时出错"),
    "change_product": ("修改商品失败", "请求修改商品时出错"),
    "cancel_order": ("取消订单失败", "请求取消订单时出错"),
}
NO_DETAIL = "没有说明"
TRY_AGAIN = "。再试时请用同一个 idempotencyKey：{idempotencyKey}，"
BOUGHT_ONCE, DONE_ONCE = "不会重复购买", "不会重复执行"
ORDER_UNKNOWN, OUTCOME_UNKNOWN = "。订单可能已经创建，也可能没有", "。可能已经执行，也可能没有"
WHAT_NOW = {  # after the shop's own refusal
    "key_reused": "。新的操作请不要填旧的 idempotencyKey；若是重试，内容要与上次完全相同",
    "price_changed": "。请把新的合计告诉用户，用户同意后再下单",
}

CHECKING = "核对商品和价格"
ORDERING = "提交订单"
ORDERED, ORDERED_BEFORE = "订单已创建", "订单以前已经创建"
FOUND = "这是 {at} 的订单 {id}，没有新下单"
FOUND_CANCELLED = "这是 {at} 的订单 {id}，后来已经取消，没有新下单"
MOVED_BEFORE = "这次库存变化以前已经记过，没有再记；上面是现在的库存"
CHANGED_BEFORE = "这次修改以前已经做过，没有再做；上面是商品现在的样子"
CANCELLED_BEFORE = "这笔订单以前已经取消，库存没有再退"
OUT_OF_STOCK = "商品 {name} 库存不足. 可用: {available}"  # both as the shop says it
UNKNOWN_PRODUCT = "商品ID {productId} 不存在"
NEEDS_NAME_AND_PRICE = "新商品要有名称和价格；修改已有商品请填 productId"
ONLY_BY_RESTOCK = "已有商品的库存请用 restock 改变"
NOTHING_GIVEN = "没有要修改的内容"
CLEARED_OR_GIVEN = "描述要么清空，要么填写"
NOT_FOUND = "没有找到。要看全部商品，请不填 query 再调用一次 get_products"
TODAY = "商店的时区是 {timezone}，那里今天是 {today}；没有写时区的日期和时间都是那里的。"
CUT = "结果太大，只返回了第 {start} 到 {end} 条，其余的请用 offset={end} 再取"

# What people are asked, and the prompts: known to the page by these codes and parameters, in its languages.
TEXTS = {
    "buy": "确认购买 {lines}，合计 ¥{yuan:.2f}？",
    "line": "{quantity} × {name}",
    "deliver": "确认到货 {name}（商品 {id}）{change:+} 件，库存从 {before} 变为 {after}{why}？",
    "correct": "确认更正 {name}（商品 {id}）{change:+} 件，库存从 {before} 变为 {after}{why}？",
    "why": "，原因“{reason}”",
    "create": "确认新增商品：{told}？",
    "change": "确认修改 {name}（商品 {id}）：{told}？",
    "new_name": "“{new}”",
    "new_price": "价格 ¥{newYuan:.2f}",
    "new_quantity": "库存 {new} 件",
    "new_description": "描述“{new}”",
    "new_keywords": "搜索词{new}",
    "name": "名称改为“{new}”",
    "price": "价格从 ¥{oldYuan:.2f} 改为 ¥{newYuan:.2f}",
    "description": "描述从“{old}”改为“{new}”",
    "keywords": "搜索词改为{new}",
    "word": "“{word}”",
    "cancel": "确认取消订单 {id}（客户“{customer}”：{lines}，合计 ¥{yuan:.2f}）？库存会退回{why}",
    "recommend": (
        "请为我推荐商品。我的喜好：{preference}。{budget}\n"
        "先用 get_products 查商品和价格，再用 get_inventory 确认有货，最多推荐三件，"
        "按合适的程度排列，各说明理由、单价和库存。没有合适的就直说。"
    ),
    "budget": "预算不超过 {budget} 元。",
    "any_budget": "预算不限。",
    "analyse": (
        "下面是{whose}订单按{group}的汇总"
        "（orders 为订单数，quantity 为件数，amount 为人民币元，已取消的订单不计）：\n"
        "```json\n{data}\n```\n"
        "请分析：总额和总件数、占比最大的是哪些、有什么趋势或异常，并给出一条建议。只根据这些数据。"
    ),
    "customers": "客户 {customerName} 的",
    "everybodys": "全部",
    "by_product": "商品",
    "by_customer": "客户",
    "by_day": "日期（商店所在时区）",
    "restock": (
        "下面是库存不超过 {threshold} 件的商品：\n```json\n{data}\n```\n"
        "请列表说明哪些需要补货、各剩多少件；再用 get_orders（groupBy=product）看销量，建议各补多少件。"
        "列表为空就说明现在不需要补货。"
    ),
}

TEXT_KEY = "product-mcp/text"  # in `_meta` of a question or a content block: the wording of its text
CLAUSES = "told"  # a parameter that is a list of clauses, not of names
Wording = dict[str, Any]


def wording(code: str, **params: Any) -> Wording:
    """Return a text by its code. A parameter is a text, a number, a wording, or a list of these."""
    return {"code": code, "params": params}


def said(text: Wording) -> str:
    """Return the sentence of a wording."""
    return TEXTS[text["code"]].format_map(
        {name: _part(value, "，" if name == CLAUSES else "、") for name, value in text["params"].items()}
    )


def _part(value: Any, separator: str) -> Any:
    if isinstance(value, list):
        return separator.join(said(each) for each in value)
    return said(value) if isinstance(value, dict) else value


SENTENCES = {
    # the shop gave no usable answer
    "shop_unreachable": "连接不上 {url}，请确认 api.py 已经启动",
    "shop_late": "{url} 没有及时回答，请稍后再试",
    "shop_disconnected": "与 {url} 的连接中断，请稍后再试",
    "not_a_shop": "{url} 的回答不是商店的，请检查 API_URL",
    "restarting": "服务器正在重启，这一步没有完成",
    # a tool call
    "insufficient_scope": "令牌没有 {scope} 权限，请重新登录并授权",
    "unknown_tool": "没有叫 {tool} 的工具，可用的有：{known}",
    "too_many_values": "参数错误：多于 {max} 个值",
    "invalid_idempotency_key": '参数错误：_meta["idempotency-key"] 应为 1 到 {max} 个字符的文字',
    "invalid_confirmation": '没有下单：_meta["product-mcp/confirmed"] 应为 {{"total": 用户确认的合计，元}}',
    "cannot_ask": (
        "没有执行：服务器要求每次写入都经用户确认（--confirm always），"
        "但这个客户端不能向用户提问（没有 elicitation，或用了 --stateless、--json-response）"
    ),
    "question_failed": (
        "没有执行：客户端说能向用户提问，却没有问成（{reason}）。"
        "要不经确认就执行，请设置 MCP_CONFIRM=never（python main.py --confirm never）"
    ),
    "not_answered": "没有执行：用户在 {seconds} 秒内没有回答。请不要自行重试，先问清用户的意思",
    "declined": "没有执行：用户拒绝了。请不要自行重试，先问清用户的意思",
    "cancelled": "没有执行：用户取消了。请不要自行重试，先问清用户的意思",
    "unknown_question": "没有执行：服务器认不出用户回答的是哪一次提问，请重新来过",
}

# For whoever runs several of them.
ANOTHERS_QUESTION = (
    "有人回答的不是本进程的提问：服务重启过，或者是另一个副本问的。有多个副本时，请给它们设置同一个 MCP_TOKEN"
)
SHARED = {  # said at the start
    True: "副本：各副本认得彼此的提问 (同一个 MCP_TOKEN)",
    False: "副本：只认得自己的提问，有多个副本时请给它们设置同一个 MCP_TOKEN",
}
SESSIONS_APART = "；2025-11-25 及更早的会话和 SSE 只在打开它们的副本上，要按会话固定副本，或用 --stateless"
ELSEWHERE = (
    "没有这个会话：服务重启过，或者会话在另一个副本上。请重新连接；"
    "有多个副本时请按会话固定副本，或用 --stateless"
)

PROMPTS = {
    "unknown_resource": "没有 {uri} 这个资源",
    "too_many_watched": "一个客户端最多订阅 {max} 个资源",
    "unknown_prompt": "没有叫 {prompt} 的提示词，可用的有：{known}",
    "invalid_group": "groupBy 应为 product、customer 或 day",
    "invalid_customer": "customerName 应为不超过 {max} 个字符的姓名",
    "invalid_threshold": "threshold 应为非负整数，例如 20",
}

MESSAGES = {  # what is posted and is none
    "message_twice": "同一个名字在一个 JSON 对象里只能有一次：{reason}",
    "message_batch": "一次只接受一条消息，成批的 (JSON-RPC batch) 请逐条发送",
    "message_kind": '应为一条 JSON-RPC 消息：一个对象，jsonrpc 是 "2.0"，请求和通知的 method 是文字',
    "message_id": "请求的 id 应为文字或整数",
    "unknown_cursor": "没有叫 {cursor} 的下一页：列表只有一页，不带 cursor 就是全部",
}

# Followed by the problems. The page has no words of its own for these.
WRONG_ARGUMENTS = {
    "invalid_arguments": "参数错误：",
    "invalid_prompt_arguments": "提示词 {prompt} 的参数错误：",
}
ARGUMENT_NAME = "参数名"
MORE_PROBLEMS = "还有 {omitted} 处"
MISSING_ARGUMENT = "缺少 {field}"
UNKNOWN_ARGUMENT = "没有参数 {field}"

HTTP = {
    **access.sentences("MCP_ALLOWED_HOSTS", "MCP_ALLOWED_ORIGINS", "MCP_TOKEN"),
    "owner_only": "这是店主的服务，没有设置 MCP_TOKEN 时只接受直接从本机来的请求，不接受代理转来的",
    "restarting": "服务器正在重启，请稍后再试",
    "sign_in_needed": "需要登录：请求里没有令牌 (Authorization: Bearer)",
    "invalid_token": "令牌无效（{reason}），请重新登录",
    "insufficient_scope": SENTENCES["insufficient_scope"],
    "issuer_unreachable": "现在无法核对令牌：登录服务器 {issuer} 没有回应，请稍后再试",
    "unauthorized": "需要令牌：请在请求头中加入 Authorization: Bearer <MCP_TOKEN 的值>",
}
