"""What a person and a model read of a provider's failures, by code."""

from serving.network import NETWORK

SENTENCES = NETWORK | {
    # the provider refused the request
    "context_overflow": "对话太长，模型读不下了，请开始新对话：{reason}",
    "model_bad_request": "模型服务不接受这次请求 ({status})：{reason}",
    "model_unauthorized": (
        "模型服务不接受这个密钥，请检查密钥和地址（OPENAI_API_KEY、OPENAI_API_BASE）({status})：{reason}"
    ),
    "model_no_credit": "模型服务的余额不足，请充值，或换一个密钥（OPENAI_API_KEY）({status})：{reason}",
    "model_forbidden": "模型服务拒绝了这个密钥，请检查它的权限 ({status})：{reason}",
    "model_not_found": (
        "模型服务没有这个模型或地址，请检查名称和地址（LLM_MODEL、OPENAI_API_BASE）({status})：{reason}"
    ),
    "model_rate_limited": "模型服务请求太多或额度用完，请稍后再试 ({status})：{reason}",
    "model_rate_limited_for": "模型服务请求太多或额度用完，请 {seconds} 秒后再试 ({status})：{reason}",
    "request_filtered": "模型服务的内容审查没有放行这次对话，请换个说法，不行就开始新对话：{reason}",
    "model_refused": "模型服务拒绝了这次请求 ({status})：{reason}",
    "model_overloaded": "模型服务暂时不可用 ({status})，请稍后再试：{reason}",
    "model_overloaded_for": "模型服务暂时不可用 ({status})，请 {seconds} 秒后再试：{reason}",
    # there was no answer, or no more of it
    "model_late": "模型服务没有及时回答，请稍后再试",
    "model_unreachable": "连不上模型服务 {host}，请检查地址（OPENAI_API_BASE），或它有没有启动",
    "model_broke_off": "模型服务的回答中断了，请再试一次",
    "model_failed": "模型服务的回答中断了：{reason}",
    "model_not_chat": "模型服务的回答不是聊天补全，请检查地址（OPENAI_API_BASE）：{reason}",
    # the answer is beyond all bounds, or not to be had here
    "answer_too_large": "回答超过 {mib} MiB，没有读完",
    "answer_encoded": "回答的压缩方式 {encoding} 不受支持，没有读",
    "answer_too_long": "模型的回答没有尽头，超过 {characters} 个字符后没有再读",
    "too_many_calls": "模型一次要求了超过 {max} 个工具调用，一个也没有执行",
    "model_redirected": (
        "模型服务把请求转到了另一个地址 {host}，没有跟去。如果那是正确的地址，请改成它（OPENAI_API_BASE）"
    ),
    # the answer ended otherwise than well
    "answer_ended": "模型服务提前结束了回答，它可能不完整：{reason}",
    "model_declined": "模型拒绝回答：{reason}",
    "model_exhausted": "模型服务的资源不足，回答没有完成，请稍后再试",
    "call_malformed": "模型写坏了一个工具调用，没有执行，请再试一次",
    "content_filtered": "模型服务的内容审查拦下了这个回答",
    "answer_unreadable": "模型的回答里有图片、声音或文件，这里显示不了",
    # a model that is chosen, or tried out
    "model_gone": "这里选的模型 {model} 已经不在了，请重新选一个",
    "model_calls_nothing": "有回答，但没有调用工具",
    "model_list_unknown": "这个服务没有给出模型列表，请直接填写模型的名称",
    "base_unusable": "不是可用的地址，应像 https://api.deepseek.com，不能有空格、用户名、密码和问号",
    "key_unusable": "这不是密钥：只能用可见的 ASCII 字符，不能有空格、换行和中文，也不能是占位的文字",
    "key_needed": "换了地址，请重新输入密钥：密钥只发往输入它时的地址",
    # what is to be known of an answer
    "model_toolless": "模型 {model} 不支持工具调用，这个回答没有查询过商店",
    "model_blind": "模型 {model} 不接受图片，这个回答没有看到图片",
    "model_deaf": "模型 {model} 不接受声音，这个回答没有听到声音",
    "tools_left_out": "模型服务不接受这些工具，这个回答没有用到它们：{tools}",
    "call_left_out": "模型在回答里把工具调用写成了文字，没有执行，也没有显示：{call}",
}

MEDIA_OF_TOOLS = "（上面的工具返回的：）"
UNSEEN = "（图片 {name} 没有发给您：您接收不了图片）"  # in the place of one, to the model
NOT_SENT = "（较早的图片 {name}，没有再发）"
NO_ANSWER = "（没有回答）"  # the message between a tool's result and the user, for Mistral
CALLED = "调用了 {name}({arguments})"  # a call in the history of a request without tools
