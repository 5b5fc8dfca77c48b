"""The shop's sentences by code: for clients of the REST service, and for whoever runs it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serving import access
from serving.errors import CodedError, sentence

MAX_SHOWN = 10  # of what breaks a rule

REFUSALS = {
    "empty_purchase": "请求无效：缺少客户名称或商品",
    "unknown_product": "商品ID {productId} 不存在",
    "no_picture": "商品ID {productId} 没有图片",
    "unknown_order": "订单 {orderId} 不存在",
    "archived": "订单 {orderId} 已归档，不能再查看、取消或重复",
    "owner_only": (
        "只有店主可以这样做：请带上 OWNER_TOKEN，没有设置它时请直接从本机访问，"
        "而且服务没有设置 TRUSTED_PROXIES、ROOT_PATH、API_ALLOWED_HOSTS"
    ),
    "out_of_stock": "商品 {name} 库存不足. 可用: {available}",
    "price_changed": "价格有变：现在合计 {now:.2f} 元，不是确认过的 {expected:.2f} 元，没有下单",
    "key_reused": "Idempotency-Key 已用于另一笔不同的订单",
    "database_unavailable": "数据库暂时不可用，请稍后重试",
    "restarting": "服务正在重启，请稍后重试",
    "outcome_unknown": "不知道这笔订单下了没有：请用同一个 Idempotency-Key 再试，没有键就先查订单",
    "too_large": "请求体超过 64 KiB",
    "csv_too_large": "文件超过 {mib} MiB",
    "csv_encoding": "不是 CSV 文本：编码应为 UTF-8、UTF-16 或 GB18030，Excel 文件请先另存为 CSV",
    "csv_invalid": "第 {line} 行不是有效的 CSV：{reason}",
    "csv_field": "第 {line} 行的 {field}：{reason}",
    "catalog_empty": "文件里没有商品",
    "unauthorized": "缺少或错误的 API_TOKEN",
    **access.sentences("API_ALLOWED_HOSTS", "API_ALLOWED_ORIGINS", "API_TOKEN"),
}

KEY_OF_A_CHANGE = "Idempotency-Key 已用于另一次不同的改动"  # at the desk: no order has it

# What the OpenAPI document says about a status.
STATUS_DESCRIPTIONS = {
    400: "缺少客户名称或商品，或库存不足",
    401: REFUSALS["unauthorized"],
    403: "请求来自其他网站的网页，或不是店主的",
    404: "商品、图片或订单不存在",
    409: "合计不是 expectedTotal，没有下单",
    410: "订单已归档",
    413: REFUSALS["too_large"],
    421: "不认识的主机名，请设置 API_ALLOWED_HOSTS",
    422: "参数有误，或 Idempotency-Key 已用于另一笔订单",
    503: "数据库暂时不可用；code 为 outcome_unknown 时可能已经下单",
}

RULES = {  # of `api.py check`
    "stock_not_negative": "没有负的库存",
    "stock_is_ledger": "每个商品的库存等于它的流水之和",
    "order_is_in_ledger": "每笔订单都在流水里，取消的已退回",
    "ledger_is_of_orders": "流水里的订单都在",
    "total_is_sum": "每笔订单的合计等于各行之和",
    "key_is_of_one_order": "一个 Idempotency-Key 最多一笔订单",
    "line_is_of_order": "订单的每一行都有订单和商品",
    "orders_are_counted": "订单数与计数相同",
}
RULE_KEPT, RULE_BROKEN = "✅ {rule}", "❌ 不成立：{rule}，有误的编号：{wrong}{more}"
# Said at the start. The file is told whole: who starts in another folder has another shop.
SHARED_FILE = "副本：同一台机器上的 api.py 可以共用 {file}；要在几台机器上运行，请用 PostgreSQL"
SHARED = "副本：所有 api.py 共用这个数据库，订单、库存、键和变更通知都在里面，请求可以到任何一个"
BACKED_UP = "已备份到 {path}：{products} 个商品，{orders} 笔订单。"
RESTORED = "已从 {path} 恢复：{products} 个商品，{orders} 笔订单。"

# Of `StoreUnavailableError`, `CatalogError` and `CommandError`.
FAILURES = {
    "database_failed": "{database}: {reason}",
    "database_away": "{database}: 连不上，请确认它已启动，DATABASE_URL 里的主机和端口没有写错（{reason}）",
    "pool_full": (
        "PostgreSQL: {seconds:g} 秒内没有空闲的连接，{connections} 个都在用："
        "请调大 DATABASE_POOL，或看看数据库为什么慢"
    ),
    "database_replaced": "{database}: 文件已被删除或换成另一个，请放回原处，或重新启动服务",
    "database_read_only": "{database}: 只读，可能是备用服务器",
    "database_closed": "数据库已关闭",
    "file_unwritable": "写不了 {path}：{reason}",
    "export_torn": "导出到一半时与数据库的连接断了",
    "database_url_unknown": "DATABASE_URL 应为 sqlite:///文件名 或 postgresql://用户@主机/数据库",
    "asyncpg_missing": "PostgreSQL 需要 asyncpg，请先运行：uv sync --extra postgres",
    "schema_too_new": "数据库结构版本 {version} 比本程序所知的 {known} 新，请升级程序",
    "schema_unknown": "数据库结构版本是 {version}，不是本程序写的：请换一个数据库",
    "timezone_unknown": "数据库的时区 {timezone} 在这台机器上没有数据，请升级 tzdata",
    "timezone_differs": (
        "SHOP_TIMEZONE 是 {wanted}，而数据库按 {kept} 计日。请改回来；"
        "要让已有订单的日期一起改过去，请运行：python api.py timezone {wanted}"
    ),
    "archive_too_new": "只能归档今天以前的订单：商店的今天是 {today}，不能用 {before}",
    "archive_missing": "上次归档没有做完，它写好的文件 {path} 不见了：请放回原处，再运行一次",
    "archive_busy": "另一个归档命令正在进行，或接着做了下去；请等它做完再运行一次",
    "file_exists": "{path} 已经存在，不会覆盖它，请换一个名字",
    "backup_unreadable": "读不到 {path}：{reason}",
    "no_shop": "没有 {database} 这个数据库",
    "no_tables": "这个数据库里还没有商店：api.py 第一次启动时才建立它，请等它启动完再试",
    "not_empty": "数据库里已有商店，没有恢复。确实要用备份代替它，请先备份，再加上 --replace",
    "backup_of_another": "{path} 不是 {wanted} 的备份（{kind}）",
    "backup_no_shop": "{path} 不是商店的备份：里面没有本程序的商品和订单",
    "damaged": "{database} 已损坏：{reason}。请从备份恢复",
    "schema_differs": "数据库结构版本是 {version}，本程序所知的是 {known}：请用与商店同一版本的程序检查",
    "program_missing": "没有找到 {program}，请安装 PostgreSQL 的客户端程序（Debian：postgresql-client）",
    "program_failed": "{program} 失败：{reason}",
    "catalog_unreadable": "无法读取商品目录 {path}：{reason}",
    "catalog_json": "商品目录 {path} 不是有效的 JSON：{reason}",
    "catalog_no_list": "商品目录 {path} 有误：应为 JSON 列表",
    "catalog_empty": "商品目录 {path} 是空的",
    "csv_encoding": f"商品目录 {{path}} {REFUSALS['csv_encoding']}",
    "csv_invalid": f"商品目录 {{path}} {REFUSALS['csv_invalid']}",
    "csv_field": f"商品目录 {{path}} 有误：{REFUSALS['csv_field']}",
    "catalog_entry": "商品目录 {path} 有误：第 {entry} 项的 内容：{reason}",
    "catalog_field": "商品目录 {path} 有误：第 {entry} 项的 {field}：{reason}",
}


def rule_sentence(code: str, wrong: Sequence[Any]) -> str:
    """Say whether a rule is kept, and what breaks it."""
    shown = "、".join(map(str, wrong[:MAX_SHOWN]))
    more = f" 等 {len(wrong)} 个" if len(wrong) > MAX_SHOWN else ""
    return (RULE_BROKEN if wrong else RULE_KEPT).format(rule=RULES[code], wrong=shown, more=more)


def shared_sentence(file: Path | None) -> str:
    """Say who shares the shop's records: those in a file of SQLite's, or in PostgreSQL."""
    return SHARED_FILE.format(file=file.absolute()) if file else SHARED


def refusal_sentence(code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence for a client of the REST service."""
    return KEY_OF_A_CHANGE if params.get("of") == "change" else sentence(REFUSALS, code, params)


def failure_sentence(error: CodedError) -> str:
    """Return the operator's sentence."""
    return sentence(FAILURES, error.code, error.params)
