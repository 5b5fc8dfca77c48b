"""The key and the address of a provider as people paste them: mended where it is plain what is meant."""

import re
from urllib.parse import urlsplit

from serving.addresses import is_loopback

_AROUND = " \t\r\n\ufeff\u200b\u3000\xa0\"'`“”‘’"  # what is pasted along, and never a part of either


def mended_key(text: str) -> str:
    """Return a key without what was pasted along. Raises ValueError: no header can carry it."""
    key = re.sub(r"^(?:Authorization:\s*)?Bearer\s+", "", text.strip(_AROUND), flags=re.IGNORECASE).strip(
        _AROUND
    )
    if not re.fullmatch(r"[!-~]*", key):
        raise ValueError("密钥要放进请求头，只能用可见的 ASCII 字符，不能有空格、换行和中文，请重新复制")
    return key


def mended_base(text: str) -> str:
    """Return an address without what was pasted along, with a scheme. Raises ValueError: it is no address."""
    base = text.strip(_AROUND)
    if base and "://" not in base:
        host = re.split(r"[/:]", base, maxsplit=1)[0]
        base = f"{'http' if is_loopback(host) else 'https'}://{base}"
    try:
        address = urlsplit(base)
        is_usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        is_usable = False
    if base and not (is_usable and re.fullmatch(r"[!-~]*", base)):
        raise ValueError("不是可用的地址，应像 https://api.deepseek.com，不能有空格和中文标点")
    return base
