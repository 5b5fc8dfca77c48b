"""The sentences of all codes that leave through `web.py`."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from assistant.chat import sentences as chat
from assistant.llm import sentences as llm
from assistant.toolbox import sentences as toolbox
from serving import access
from serving.errors import CodedError, sentence

OWN = {
    **access.sentences("WEB_ALLOWED_HOSTS", "CORS_ORIGINS", "WEB_PASSWORD"),
    "unauthorized": "需要密码",
    "too_busy": "已有 {waiting} 个提问在等待，请等其中一些答完再问",
    "not_a_picture": "{uri} 不是图片",
    "models_locked": "经过代理又没有密码，不能在页面里改模型：请用 localhost 打开本页，或设置 WEB_PASSWORD",
    "public_url_needed": "要登录，请用 localhost 打开本页，或设置 WEB_PUBLIC_URL 为浏览器里本页的地址",
}
SENTENCES = chat.SENTENCES | llm.SENTENCES | OWN

CHAT_FAILED = "LLM/对话处理失败: {}"  # the tutorial's, before the reason
CONFIG_FAILED = "加载 MCP 配置失败: {}"  # likewise
GREETING = "🛍️ 智能商城助手：请打开 {address}（{tools} 个工具{down}）"

SHARED = {  # said at the start: whether WEB_SECRET is set
    True: "副本：同一个 WEB_SECRET 的 web.py 认得彼此的确认",
    False: "副本：只有用同一个 WEB_STATE_DIR 的 web.py 认得彼此的确认，在别的机器上请设置同一个 WEB_SECRET",
}
APART = "；进行中的回答、不认键的工具的确认只在各自的副本上，要按客户端固定副本；登录在 WEB_STATE_DIR"
TRUSTED = "✅ {} 已获准"

FINDINGS = {  # of `--check`
    "ready": "服务器 {server}：{address}，{tools} 个工具，协议 {version}",
    **dict.fromkeys(("disabled", "down", "untrusted", "sign_in"), "服务器 {server}：{reason}"),
    "no_servers": "没有 MCP 服务器：{folder} 里没有 mcp.json，或者里面一项也没有",
    "model_demo": "模型 {model}：内置演示模型；接入自己的模型请在页面上方点它，或设置 OPENAI_API_KEY",
    "model_ready": "模型 {model}{source}：有回答，会调用工具",
    "model_failed": "模型 {model}{source}：{reason}",
    "shop_ready": "商店：经 {server} 有回答",
    "shop_failed": "商店：{said}",
    "versions": "版本：{versions}",
    "network": "网络：{reason}",
    "proxy": "网络：{variable} 的代理 {proxy} 连得上，经过它的有：{hosts}",
    "proxy_down": "网络：{variable} 的代理 {proxy} 连不上，经过它的有：{hosts}",
    "no_certificates": "网络：这台机器没有证书，https 地址都连不上",
}
SOURCE = "（来自{}）"  # where a model is named:
KEPT_SOURCE = "页面里添加的 {}"
PLACES = {".env": "文件 .env", "environment": "环境变量", "flag": "命令行"}
ADVICE = {  # what to do about a finding
    "name_servers": "请在项目的文件夹里运行，或用 MCP_CONFIG_PATH 指明 mcp.json；服务器也可以在页面里添加",
    "edit_entry": "请修改 mcp.json 中的这一项",
    "send_token": (
        '请在 mcp.json 中写明 "headers": {{"Authorization": "Bearer ${{MCP_TOKEN}}"}}，并设置 MCP_TOKEN'
    ),
    "allow_host": "请在服务器那边设置 MCP_ALLOWED_HOSTS={host}",
    "sign_in": "请启动 web.py，在页面里登录",
    "allow_command": "请看清它再允许",
    "try_command": "请检查命令能否单独运行：{command}",
    "start_server": "请启动它；本项目的 MCP 服务器是：uv run python main.py",
    "check_address": "请检查地址、网络和服务器的日志",
    "check_model_settings": "请在页面上方的模型里，或在 OPENAI_API_KEY、OPENAI_API_BASE 和 LLM_MODEL 里检查",
    "choose_model": "请换一个支持工具调用的模型",
    "start_shop": "请启动 api.py，并检查 main.py 的 API_URL 和 API_TOKEN",
    "update": "请把三个服务更新到同一个版本，再重新启动",
    "mend_variable": "环境变量不在 .env 里；改正后请重新启动",
    "mend_proxy": "请启动代理，改正 {variable}，或者把不经过它的主机写进 NO_PROXY",
    "install_certificates": "请安装系统的证书（Debian：ca-certificates），或者设置 SSL_CERT_FILE",
}


def model_source(provider: str, held: Mapping[str, str]) -> str:
    """Return where a model comes from: the settings that `held` names with their places, or the page."""
    named = "、".join(f"{PLACES[place]}里的 {name}" for name, place in held.items())
    source = KEPT_SOURCE.format(provider) if provider else named
    return SOURCE.format(source) if source else ""


def pointed(error: CodedError) -> str:
    """Return the sentence of an error, and below it the line of the file with a mark where it breaks."""
    said = explain(error.code, error.params)
    line, mark = error.params.get("excerpt", ""), error.params.get("mark", 0)
    if not line.strip():
        return said
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line[:mark])
    number = f"{error.params['line']} | "
    return f"{said}\n{number}{line}\n{' ' * (len(number) + mark + wide)}^"


def explain(code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence of a code; without one, the code itself."""
    if code in toolbox.SENTENCES:
        return toolbox.sentence_of(code, params)
    return sentence(SENTENCES, code, params) if code in SENTENCES else code
