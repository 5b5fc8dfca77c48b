"""The key and the address of a provider as people paste them: mended where it is plain what is meant."""

import ipaddress
import re
from urllib.parse import urlsplit

from serving.addresses import is_loopback

# What is pasted along, and never a part of either.
_AROUND = " \t\r\n\ufeff\u200b\u3000\xa0\"'`“”‘’「」<>，。；"

_WORDS = re.compile(
    r"^(?:export\s+)?(?:\w+(?:_KEY|_BASE|_URL)\s*=|(?:Authorization|x-api-key)\s*:)?\s*(?:Bearer\s+)?",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"^(?:https?://)?(https?)(?::/{1,2}|//)(?=[^/])", re.IGNORECASE)


# What documents write in the place of a key or an address, and variables that nobody has filled in.
_PLACEHOLDER = re.compile(
    r"\$\w+|\$?\{.*\}|%\w+%|<.*>|(?-i:[A-Z]+(?:_[A-Z]+)*_(?:KEY|TOKEN|BASE|URL))"
    r"|(?:sk-)?[x*.]{2,}|.*\bxxx+\b.*|.*\byour\b.*|.*\byour_.*|.*[-_ ]here"
    r"|(?:api|secret)[-_]?key|change[-_]?me",
    re.IGNORECASE,
)
# Ollama, LM Studio, vLLM and others.
PLAIN_PORTS = (80, 1234, 3000, 4000, 5000, 8000, 8080, 8888, 11434, 30000)
OWN_NETWORK = (".local", ".internal", ".lan", ".home.arpa", ".localdomain")


def mended_key(text: str) -> str:
    """Return a key without what was pasted along.

    Raises ValueError: no header can carry it, or it stands for a key that is still to be put in.
    """
    key = _WORDS.sub("", text.strip(_AROUND)).strip(_AROUND)
    if not re.fullmatch(r"[!-~]*", key):
        raise ValueError("密钥要放进请求头，只能用可见的 ASCII 字符，不能有空格、换行和中文，请重新复制")
    if _PLACEHOLDER.fullmatch(key):
        raise ValueError("这里只是占位的文字，不是密钥，请换成模型服务给的密钥")
    return key


def mended_base(text: str) -> str:
    """Return an address without what was pasted along, with a scheme.

    Raises ValueError: it is no address, or stands for one that is still to be put in.
    """
    base = _SCHEME.sub(r"\1://", _WORDS.sub("", text.strip(_AROUND)).strip(_AROUND))
    base = re.sub(r"/chat/completions/?$", "", base)  # the whole of what documents show
    is_whole = "://" in base
    try:
        address = urlsplit(base if is_whole else f"//{base}")
        port, host = address.port, address.hostname or ""
    except ValueError:
        port, host = 0, ""
    if base and not is_whole:
        base = f"{'http' if is_near(host) or port in PLAIN_PORTS else 'https'}://{base}"
    is_usable = base.lower().startswith(("http://", "https://")) and host and port != 0
    if base and not (is_usable and re.fullmatch(r"[!-~]*", base)):
        raise ValueError("不是可用的地址，应像 https://api.deepseek.com，不能有空格和中文标点")
    if _PLACEHOLDER.fullmatch(host):
        raise ValueError(f"{base} 只是占位的文字，请换成模型服务的地址")
    return base


def is_near(host: str) -> bool:
    """Whether a host is this machine or one of its own network, where servers speak plain HTTP."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(OWN_NETWORK) or is_loopback(host)
