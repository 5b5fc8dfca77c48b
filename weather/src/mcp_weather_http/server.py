"""The command: `mcp-streamable-weather`, `python -m mcp_weather_http`, or this file as a script."""

import io
import logging
import re
import socket
import sys
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import click
import httpx
import uvicorn

from mcp_weather_http.application import PATH, create_app, logger
from mcp_weather_http.seniverse import BASE_URL, Seniverse

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
SHUTDOWN_SECONDS = 5  # after which connections whose client does not read its answer are cut
NO_KEY = "缺少心知天气的 API 密钥：请用 --api-key 给出，或设置环境变量 SENIVERSE_API_KEY。"
EXPOSED = "监听 {host} 会让别的机器也能用你的密钥：请用 --token 或环境变量 MCP_TOKEN 设置访问令牌。"
NO_HEADER = "令牌要放进请求头，只能用可见的 ASCII 字符，不能有空格和中文。"
ODD_NETWORK = "环境变量里的代理或证书（HTTPS_PROXY、ALL_PROXY、SSL_CERT_FILE 等）不能用：{reason}"


class _WebServer(uvicorn.Server):
    """Stops at once: calls in flight get an error result instead of being waited for."""

    def __init__(self, config: uvicorn.Config, seniverse: Seniverse) -> None:
        super().__init__(config)
        self._seniverse = seniverse

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host = self.config.host
            name = "localhost" if _is_loopback(host) else f"[{host}]" if ":" in host else host
            logger.info("MCP: http://%s:%d%s", name, self.config.port, PATH)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._seniverse.stop()
        await super().shutdown(sockets)


class RedactingFormatter(logging.Formatter):
    """Replaces secrets by `***`: Seniverse takes its key in the query string, and a library may log a URL."""

    def __init__(self, *secrets: str) -> None:
        super().__init__("%(asctime)s - %(name)s - %(levelname)s - %(message)s")
        self._spellings = {form for s in secrets if s for form in (s, quote(s, safe=""), quote_plus(s))}

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole entry, including a traceback, with the secrets replaced."""
        line = super().format(record)
        for spelling in self._spellings:
            line = line.replace(spelling, "***")
        return line


def _http_url(_: click.Context, __: click.Parameter, value: str) -> str:
    with suppress(ValueError, httpx.InvalidURL):
        url = httpx.URL(value)
        # urlsplit checks the port; httpx does so only when it connects.
        if url.scheme in ("http", "https") and url.host and urlsplit(value).port != 0:
            return value
    raise click.BadParameter("需要以 http:// 或 https:// 开头的地址。")


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")  # the Host names that create_app accepts


def _set_up_logging(level: str, *secrets: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(*secrets))
    logging.basicConfig(level=level, handlers=[handler])
    for name in ("httpx", "mcp.server.streamable_http"):  # several lines for each request
        logging.getLogger(name).setLevel(logging.WARNING)


class _Command(click.Command):
    """Speaks Chinese: in UTF-8 where the console's encoding has none, or its help would end in an error."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and not "中".encode(stream.encoding, "ignore"):
                stream.reconfigure(encoding="utf-8")
        return super().main(*args, **kwargs)


@click.command(cls=_Command)
@click.option("--port", default=3000, type=click.IntRange(1, 65535), show_default=True, help="监听的端口")
@click.option("--host", default="127.0.0.1", show_default=True, help="监听的地址")
@click.option("--api-key", default="", envvar="SENIVERSE_API_KEY", show_envvar=True, help="心知天气的私钥")
@click.option("--base-url", default=BASE_URL, callback=_http_url, show_default=True, help="心知天气的地址")
@click.option(
    "--log-level",
    default="INFO",
    type=click.Choice(LEVELS, case_sensitive=False),
    show_default=True,
    help="日志级别",
)
@click.option("--json-response", is_flag=True, help="用一次性 JSON 回答，不用 SSE 流")
@click.option("--token", default="", envvar="MCP_TOKEN", show_envvar=True, help="客户端要出示的 Bearer 令牌")
@click.version_option(package_name="mcp-streamable-weather")
def main(
    *, port: int, host: str, api_key: str, base_url: str, log_level: str, json_response: bool, token: str
) -> None:
    """心知天气的 MCP 服务器（Streamable HTTP），一个工具：get-weather。"""
    api_key, token = api_key.strip(), token.strip()
    if not api_key:
        raise click.UsageError(NO_KEY)
    if not token and not _is_loopback(host):
        raise click.UsageError(EXPOSED.format(host=host))
    if not re.fullmatch("[!-~]*", token):
        raise click.UsageError(NO_HEADER)
    _set_up_logging(log_level.upper(), api_key, token)
    try:
        seniverse = Seniverse(api_key, base_url=base_url)
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        raise click.UsageError(ODD_NETWORK.format(reason=error)) from error
    app = create_app(seniverse, loopback=_is_loopback(host), token=token, json_response=json_response)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = _WebServer(config, seniverse)
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after an orderly shutdown
        server.run()
    if not server.started:
        raise SystemExit(3)


if __name__ == "__main__":
    main()
