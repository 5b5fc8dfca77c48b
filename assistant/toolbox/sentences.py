"""What a person or a model reads for each code of the toolbox."""

from collections.abc import Mapping
from typing import Any

from serving.errors import sentence
from serving.network import NETWORK

CONFIG = {  # mcp.json as a whole, then one of its entries
    "file_unreadable": "读不到 {path}：{reason}",
    "file_broken": "{path} 第 {line} 行第 {column} 列：{reason}",
    "file_without_servers": '{path} 里没有 "mcpServers"',
    "switched_off": "在配置里被停用",
    "entry_not_object": "应当是一个对象",
    "unknown_type": '不认识的 type "{type}"，可用：http、sse、stdio',
    "address_missing": '缺少 "url" 或 "command"，或它不是文字',
    "command_line": '"command" 里的引号没有结束；请把命令写在 "command"，把参数逐个写在 "args"',
    "text_missing": '缺少 "{key}"，或它不是文字',
    "not_array": '"{key}" 应当是一个数组',
    "not_object": '"{key}" 应当是一个对象',
    "not_sendable": '"{key}" 里的 {name} 含有不能发送的字符',
    "url_malformed": "URL 写法不对，请检查主机名和端口",
    "url_scheme": "URL 应当以 http:// 或 https:// 开头",
    "url_link_local": "{host} 是链路本地地址，不允许",
    "url_plain_http": '本机以外的地址要用 https，或写明 "allowInsecure": true',
    "variable_not_set": "环境变量 {name} 没有设置",
    "variable_own": "{name} 是本项目自己的密钥，不会发给 MCP 服务器；确实要发，请另设一个变量",
    "variable_asks": "${{input:…}} 只有 VS Code 会问，请改用 ${{env:变量名}}",
}

JSON = {  # what is wrong at a place of a file
    "json_empty": "这里什么也没有，至少应当是 {{}}",
    "json_encoding": "这里的字节既不是 UTF-8 也不是 GB18030，请另存为 UTF-8",
    "json_text_open": '这段文字没有结束的双引号 "（或者在文字里换了行）',
    "json_character": "这里不能有字符 {character}",
    "json_wide": "这里的 {character} 是全角的，要用半角的 {meant}",
    "json_hash": "注释要用 // 开头，不能用 #",
    "json_escape": "文字里的反斜杠要写两个：\\\\",
    "json_after_end": "内容到这里已经结束，后面多出了东西（多了一个括号？）",
    "json_unclosed": "文件到头了，第 {line} 行的 {opened} 还没有配上 {closing}",
    "json_bracket": "这里是 {character}，但第 {line} 行的 {opened} 要用 {closing} 结束",
    "json_comment_open": "这段注释没有结束的 */",
    "json_quotes": '引号要用英文双引号 "',
    "json_quote_missing": '这里少一个双引号 "，或者前面多了一个',
    "json_word": "{word} 在 JSON 里要写成 {meant}",
    "json_comma_missing": "这里少一个逗号",
    "json_comma_extra": "这里多了一个逗号",
    "json_colon_missing": '这里少一个冒号 ":"',
    "json_value_missing": "这里少一个值",
    "json_name_missing": "这里应当是一个加双引号的名称",
    "json_too_deep": "嵌套太深",
    "json_too_long": "这个数太长",
    "json_not_object": "这里应当是一个对象：{{…}}",
    "json_key_misspelt": '"{key}" 应当是 "{meant}" 吗？',
}
PLACED = "（{place}，第 {line} 行）"  # after what is wrong with an entry

EDIT = {  # why mcp.json is not edited, or what was pasted is not understood
    "paste_empty": "还没有粘贴内容",
    "paste_not_understood": "看不懂：请粘贴某个客户端的 JSON 配置、一个地址，或一行启动命令",
    "entry_not_json": "第 {line} 行第 {column} 列不是合法的 JSON：{reason}",
    "server_name_odd": "名称应当有 1 到 {max} 个看得见的字符，前后没有空格",
    "names_not_apart": "要添加的服务器至少一个，名称各不相同",
    "server_exists": "已有名为 {server} 的服务器，请换一个名称",
    "too_many_servers": "服务器最多 {max} 个",
    "entry_changed": "{server} 的配置刚被别人改过或删除，请重新打开再改",
    "config_changed": "{path} 刚被别人改过，没有写入，请再试一次",
    "config_unwritable": "写不了 {path}（{reason}），没有改动",
    "config_not_editable": "{path} 的写法无法在这里安全地修改，请用编辑器改",
    "mask_moved": "{mask} 只能留在原处；这里请填写真正的值",
    "secret_elsewhere": "地址换了，隐藏的密钥不会随它送往别处，请重新填写",
    "variable_not_local": (
        "{names} 是运行 web.py 的机器上的变量，只能在那里写进条目：请用本机地址打开本页，或编辑 mcp.json"
    ),
    "command_not_local": "命令只能在运行 web.py 的机器上添加或修改：请用本机地址打开本页，或编辑 mcp.json",
}

NOTES = {  # what is odd about an entry or a server, and did not stop it
    "timeout_read": "每次调用最多等 {seconds:g} 秒（有进度时重新计时）",
    "timeout_odd": '"timeout" 不是一个正数，没有采用',
    "tools_chosen": "按配置只提供这些工具：{only}，除了：{without}",
    "no_consent": '"{key}" 在这里不算同意；要让 {tools} 不再询问，请在页面里允许',
    "keys_odd": "读不懂这些配置项的值，或其中一部分：{keys}",
    "keys_twice": "写了两遍的键，只有最后一个算数：{keys}",
    "address_twice": '"command" 和 "url" 都写了，没有采用：{keys}',
    "keys_unused": "这种连接方式用不到的配置项：{keys}",
    "tools_unmatched": "配置里写了、但它没有的工具：{names}",
    "keys_unknown": "这里不认识的配置项：{keys}",
    "line_gb18030": "它的输出不是 UTF-8，按 GB18030 读取",
    "line_utf16": "它的输出不是 UTF-8，按 UTF-16 读取",
    "line_not_utf8": "它的输出不全是 UTF-8，读不懂的字符换成了 �",
    "list_refused": "不肯列出它的 {list}：{reason}",
    "list_odd": "它的 {list} 不是一个数组",
    "list_cut": "它的 {list} 太多，只读了 {read} 个",
    "version_unknown": "它说的协议版本 {version} 这里不认识",
    "capabilities_odd": "它说自己能做什么的方式不合规范：{names}",
    "tool_skipped": "工具 {name} 不给模型用：{reason}",
    "prompt_skipped": "提示词 {name} 不能用：{reason}",
    "resource_skipped": "资源 {name} 不能用：{reason}",
    "schema_not_object": "inputSchema 应当是一个对象",
    "name_not_text": "名称应当是文字",
    "name_twice": "它与前面一个同名，内容却不同",
    "name_too_long": "名称超过 {max} 个字符",
    "nested_too_deep": "嵌套太深",
    "only_for_apps": "服务器说它只给界面用",
    "only_as_task": "它只能作为任务运行，这里还不支持",
}

LINK = {  # why a server is not connected, or what it answered in the place of a result
    "not_connected": "还没有连上",
    "command_untrusted": (
        "命令 {command} 要先获准：请看清 {line}（工作目录 {cwd}），"
        "在页面里允许，或在终端输入 trust {server} {mark}"
    ),
    "variables_untrusted": (
        "把这台机器的变量 {names} 发给 {host} 要先获准：请在页面里允许，或在终端输入 trust {server} {mark}"
    ),
    "command_changed": "{server} 的配置已经改动，请再看一遍",
    "closing": "连接已关闭",
    "connect_refused": "连不上 {address}，服务器启动了吗？",
    "timeout": "{address} 没有及时回答",
    "tls_failed": "与 {address} 的 TLS 连接失败（{reason}），请检查证书，或者它是不是 http",
    "broken": "与 {address} 的连接断开了",
    "closed_by_server": "{address} 断开了连接",
    "not_mcp": "{address} 的回答不是 MCP，请检查 URL",
    "not_mcp_said": "{address} 的回答不是 MCP：{said}",
    "http_status": "HTTP {status}{advice}",
    "http_said": "HTTP {status}：{said}",
    "http_busy": "HTTP {status}：请求太多，请在 {seconds} 秒后再试",
    "redirected": "{address} 转到了 {target}：不会跟去别处；要连的就是它，请在 mcp.json 里填写这个地址",
    "command_ended": "命令 {command} 自己结束了（状态 {status}）：{said}",
    "folder_missing": '"cwd" 指的文件夹不存在：{cwd}',
    "command_failed": "无法运行命令 {command}：{reason}",
    "connect_failed": "与 {address} 的连接失败（{kind}）",
    "mcp_error": "{message}",
    "sign_in_needed": "{server} 要先登录：请打开聊天页面（web.py），在“工具”栏里点“登录”",
    "sign_in_unwanted": "{server} 不需要登录",
    "sign_in_stale": "这次登录已经失效、用过了，或者不是在这个浏览器里开始的，请回到页面重新登录",
    "sign_in_refused": "{server} 的登录没有完成：{said}",
    "sign_in_failed": "登录 {server} 失败：{said}",
    "sign_in_unregistered": "{server} 的登录服务不肯登记本程序，请在 mcp.json 里写明 oauth.clientId：{said}",
    "sign_in_unreachable": "连不上 {server} 的登录服务，请稍后再试",
    "state_unwritable": "记不住：写不了状态文件夹（{reason}），请设置 WEB_STATE_DIR",
}
ADVICE = {  # what to do about an `http_status`
    401: "：需要有效的令牌，请在 mcp.json 的 headers 里填写 Authorization",
    403: "：服务器拒绝了这个来源",
    404: "：这个地址上没有 MCP 服务，请检查 URL 的路径",
    429: "：请求太多，请稍后再试",
    421: "：服务器不接受这个 Host，请把它加进服务器的 MCP_ALLOWED_HOSTS",
}

CALL = {  # why a request has no result
    "server_down": "服务器 {server} 现在不可用：{reason}",
    "lost": "服务器 {server} 在回答之前断开了连接",
    "refused": "服务器 {server} 暂时不能回答 (HTTP {status})：{said}",
    "late": "服务器 {server} 没有及时回答",
    "template_wrong": "它的地址模板写得不对：{reason}",
    "template_unfilled": "地址里还缺：{names}",
    "not_followed": "服务器 {server} 不通知这个资源的变化",
    "garbled": "服务器 {server} 的回答无法读懂",
    "server_answer_too_large": "服务器 {server} 的回答超过 {mib} MB，没有读取",
    "server_answer_too_deep": "服务器 {server} 的回答嵌套太深，没有读取",
    "server_answer_encoded": "服务器 {server} 用 {encoding} 压缩了回答，这里只读 gzip",
    "asks_nobody": "服务器在调用中途要问用户，但这次调用没有人可以问，没有完成。",
    "asks_unsupported": "服务器在调用中途要求 {method}，这里不支持，没有完成。",
    "asks_unclear": "服务器在调用中途要求补充，却没有说明要什么，没有完成。",
    "asks_too_much": "服务器在调用中途问得太多，或太长，没有完成。",
    "question_gone": "提问的那次调用已经结束，回答没有送到",
    "question_refused": "用户没有打开服务器要求的网址，没有执行。",
    "off_protocol": "服务器的回答不合规范，这次操作可能已经执行。",
}
REPEATED_IN_VAIN = "，重试也没有成功"
MAY_HAVE_RUN = "，这次操作可能已经执行，也可能没有。请先查询再决定是否重试。"

FAILED_WITHOUT_TEXT = "❌ 操作失败，服务器没有说明原因"
NO_TEXT = "✅ 操作完成，但没有返回文本内容"

SENTENCES = CONFIG | JSON | EDIT | NOTES | LINK | CALL | NETWORK


def sentence_of(code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence of a code; a `reason` that is a code with parameters becomes a sentence, too."""
    shown = {
        key: "、".join(map(str, value)) if isinstance(value, list) else value for key, value in params.items()
    }
    filled = {**shown, "advice": ADVICE.get(params.get("status", 0), "")}
    if isinstance(reason := params.get("reason"), dict):
        filled["reason"] = sentence_of(reason["code"], reason["params"])
    return sentence(SENTENCES, code, filled) + (PLACED.format_map(params) if "place" in params else "")
