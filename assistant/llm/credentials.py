"""The key and the address of a provider as people paste them: mended where it is plain what is meant."""

import re
from urllib.parse import urlsplit

from serving.addresses import is_loopback

_AROUND = (
    " \t\r\n\ufeff\u200b\u3000\xa0\"'`“”‘’「」<>，。；"  # what is pasted along, and never a part of either
)

_WORDS = re.compile(
    r"^(?:export\s+)?(?:\w+(?:_KEY|_BASE|_URL)\s*=|(?:Authorization|x-api-key)\s*:)?\s*(?:Bearer\s+)?",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"^(?:https?://)?(https?)(?::/{1,2}|//)(?=[^/])", re.IGNORECASE)


def mended_key(text: str) -> str:
    """Return a key without what was pasted along. Raises ValueError: no header can carry it."""
    key = _WORDS.sub("", text.strip(_AROUND)).strip(_AROUND)
    if not re.fullmatch(r"[!-~]*", key):
        raise ValueError("密钥要放进请求头，只能用可见的 ASCII 字符，不能有空格、换行和中文，请重新复制")
    return key


def mended_base(text: str) -> str:
    """Return an address without what was pasted along, with a scheme. Raises ValueError: it is no address."""
    base = _SCHEME.sub(r"\1://", _WORDS.sub("", text.strip(_AROUND)).strip(_AROUND))
    if base and "://" not in base:
        host = re.split(r"/|:\d*(?:/|$)", base, maxsplit=1)[0].strip("[]")
        base = f"{'http' if is_loopback(host) else 'https'}://{base}"
    try:
        address = urlsplit(base)
        is_usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        is_usable = False
    if base and not (is_usable and re.fullmatch(r"[!-~]*", base)):
        raise ValueError("不是可用的地址，应像 https://api.deepseek.com，不能有空格和中文标点")
    return base
