"""Settings as all three services read them: flag, environment, `.env`, default, in this order of strength."""

import difflib
import logging
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from serving import env_file, logs, tracing
from serving.addresses import can_be_called, is_confidential, is_loopback
from serving.flags import Flags
from serving.forwarding import PREFIX, networks
from serving.redaction import MASK, remember

log = logging.getLogger(__name__)

MIN_KEY = 16  # characters of a key that is never sent, and could be found by trying
SERVICES = ("API_", "MCP_", "WEB_")  # how their settings begin; all three may read one `.env`
OF_FILE = "_FILE"  # what ends the name of a setting whose value stands in a file
NEARLY = 0.85  # how like one of ours a name must be to be taken for a misspelling of it

# What pydantic says in English, by its type of error.
SENTENCES = {
    "int_parsing": "应为整数",
    "bool_parsing": "应为 true 或 false",
    "float_parsing": "应为数字",
    "literal_error": "应为 {expected} 之一",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "string_pattern_mismatch": "格式不对，应符合 {pattern}",
}


def _fits_a_header(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]*", value.get_secret_value()):  # RFC 6750 section 2.1
        raise ValueError("令牌要放进请求头，只能用可见的 ASCII 字符，不能有空格和中文")
    return value


def _can_be_seen(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isprintable() or value.get_secret_value().isspace():
        raise ValueError("不能有换行等看不见的字符，也不能全是空格")
    return value


def _cannot_be_guessed(value: SecretStr) -> SecretStr:
    if value.get_secret_value() and len(value.get_secret_value().strip()) < MIN_KEY:
        raise ValueError(f"密钥至少要有 {MIN_KEY} 个字符，例如 openssl rand -hex 32 的输出")
    return value


def _shown(value: str, entry: str) -> str:
    """Return an entry of what was written, where that can hold no password, however it is misspelt."""
    return MASK if re.search("[@?#=]", value) else entry


def _listed(value: str, form: str, said: str) -> str:
    for entry in filter(None, (each.strip() for each in value.split(","))):
        if not re.fullmatch(form, entry):
            raise ValueError(f"{_shown(value, entry)} {said}")
    return value


def _origins(value: str) -> str:
    form = r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s*]+/?"
    return _listed(value, form, "不是网页来源，应像 https://shop.example.com 或 http://localhost:6274")


def _origin(value: str) -> str:
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?", value):  # it stands in a policy
        raise ValueError("应是一个来源，例如 https://apps.example.com，末尾没有 /")
    return value.lower()


def _hosts(value: str) -> str:
    form = r"(https?://)?([^/?#@\s*:]+(:\d+)?|\[?[\da-fA-F:.]+\]?(:\d+)?)/?"
    return _listed(
        value, form, "不是主机名，应像 shop.example.com、10.0.0.7:8443 或 https://shop.example.com"
    )


def _image_hosts(value: str) -> str:
    form = r"(?!-)[A-Za-z0-9.-]+(:\d{1,5})?"  # it stands in the page's policy
    return _listed(value, form, "不是主机名，应像 images.example.com（只用 https，不写协议和 *）")


def _public_url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^/?#@\s*]+(/[^?#\s]*)?", value):
        raise ValueError("应是浏览器里的完整地址，例如 https://shop.example.com 或 https://example.com/shop")
    return value


def _issuer(value: str) -> str:
    if value and not (is_confidential(value) and can_be_called(value)):
        raise ValueError("应是 https:// 开头的地址，例如 https://login.example.com")
    return _public_url(value)


def _collector(value: str) -> str:
    if value and not (re.fullmatch(r"https?://[^/?#\s]+(/\S*)?", value) and can_be_called(value)):
        raise ValueError("应以 http:// 或 https:// 开头，例如 http://127.0.0.1:4318")
    return value


def _prefix(value: str) -> str:
    if value and not PREFIX.fullmatch(value):
        raise ValueError("应像 /shop 或 /a/b：以 / 开头，末尾没有 /，只用字母、数字和 . _ ~ -")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _proxies(value: str) -> str:
    try:
        networks(value)
    except ValueError as error:
        raise ValueError("应为 IP 地址或网段，用逗号分隔，例如 127.0.0.1,10.0.0.0/8") from error
    return value


Token = Annotated[SecretStr, AfterValidator(_fits_a_header)]
Password = Annotated[SecretStr, AfterValidator(_can_be_seen)]
Key = Annotated[SecretStr, AfterValidator(_can_be_seen), AfterValidator(_cannot_be_guessed)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
ANY_CASE = BeforeValidator(_lower)  # of words to choose from: a person means the one thing by DEBUG
Rate = Annotated[int, Field(ge=0, le=1_000_000)]
IssuerUrl = Annotated[str, AfterValidator(_issuer)]
Origin = Annotated[str, AfterValidator(_origin)]
Origins = Annotated[str, AfterValidator(_origins)]  # separated by commas, as are
Hosts = Annotated[str, AfterValidator(_hosts)]
ImageHosts = Annotated[str, AfterValidator(_image_hosts)]


class ServiceSettings(BaseSettings):
    """Base of a service's settings; every field carries a description, which is its line of `--help`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
    )

    stop_timeout: float = Field(4, ge=0, le=3600, description="停止时等待未完成的购买和回答的秒数")
    drain_seconds: float = Field(
        0, ge=0, le=3600, description="停止前 /healthz 先答 503、但照常服务的秒数，供负载均衡撤下本服务"
    )

    log_format: Annotated[Literal["text", "json"], ANY_CASE] = Field(
        "text", description="日志的格式：给人看的文字，或每行一个 JSON"
    )
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(_collector)] = Field(
        "", description="OpenTelemetry 收集器的地址，如 http://127.0.0.1:4318；需要 otel 扩展"
    )

    root_path: Annotated[str, AfterValidator(_prefix)] = Field(
        "", description="代理在前面加的路径前缀，如 /shop；代理去掉它或保留它都可以"
    )
    trusted_proxies: Annotated[str, AfterValidator(_proxies)] = Field(
        "", description="相信哪些代理的 X-Forwarded-… 请求头：地址或网段，用逗号分隔"
    )

    host_field: ClassVar[str]  # the address to listen on ...
    secret_field: ClassVar[str]  # ... and the token or password without which it must be loopback
    hosts_field: ClassVar[str] = ""  # further names under which the service is called ...
    origins_field: ClassVar[str] = ""  # ... and origins whose pages may use it
    rate_field: ClassVar[str] = ""  # requests of a client in a minute
    other_names: ClassVar[dict[str, str]] = {}  # of settings in other programs, and here

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the strongest first; the flags come before them."""
        in_files = InitSettingsSource(settings_cls, _from_files(settings_cls.model_fields))
        return init_settings, env_settings, in_files, dotenv_settings

    @property
    def hosts(self) -> str:
        """The names that are let in, separated by commas."""
        return str(getattr(self, self.hosts_field))

    @property
    def origins(self) -> str:
        """The origins that are let in, separated by commas."""
        return str(getattr(self, self.origins_field))

    @property
    def rate_limit(self) -> int:
        """How many requests of a client are served in a minute; 0 for all."""
        return int(getattr(self, self.rate_field)) if self.rate_field else 0

    @property
    def log_level(self) -> str:
        """How much to log: debug, info, warning or error."""
        return "info"

    @property
    def listens(self) -> bool:
        """Whether the service listens on a network at all."""
        return True

    @property
    def admits(self) -> bool:
        """Whether it asks whoever comes for a token or a password."""
        secret: SecretStr | None = getattr(self, self.secret_field)
        return bool(secret and secret.get_secret_value())

    @model_validator(mode="after")
    def _open_address_wants_a_secret(self) -> Self:
        host = getattr(self, self.host_field)
        if self.listens and not is_loopback(host) and not self.admits:
            name, wanted = f"{self.host_field.upper()}={_shown(host, host)}", self.secret_field.upper()
            raise ValueError(f"{name} 不是本机地址，其他机器也能连接，所以必须同时设置 {wanted}")
        return self


def _from_files(fields: Iterable[str]) -> dict[str, str]:
    """Return the settings that stand in files, as containers have it: `MCP_TOKEN_FILE=/run/secrets/token`.

    Raises SettingsError.
    """
    named = {name.upper(): value for name, value in {**dotenv_values(".env"), **os.environ}.items() if value}
    found = {}
    for field in fields:
        name = field.upper()
        if not (path := named.get(f"{name}{OF_FILE}")):
            continue
        if name in named:
            raise SettingsError(f"{name} 和 {name}{OF_FILE} 只能设置一个")
        try:
            found[field] = Path(path).read_text("utf-8-sig").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            # What was written may be the token itself, and no path.
            why = error.strerror if isinstance(error, OSError) else "UTF-8"
            raise SettingsError(f"{name}{OF_FILE}：读不了这个文件 ({why})") from error
        if not found[field]:  # a token that was never written down would open the service
            raise SettingsError(f"{name}{OF_FILE}：{path} 是空的")
    return found


S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S], args: list[str] | None = None) -> S:
    """Read the settings and set up the log.

    Ends the process with one line for each wrong setting and status 1; a wrong flag ends it with status 2.
    """
    logs.set_encodings()  # what ends it is to be read, too
    try:
        env_file.put_back()
        flags: Any = CliSettingsSource(
            settings, cli_parse_args=args if args is not None else True, root_parser=Flags(settings.__doc__)
        )
        loaded = settings(_cli_settings_source=flags)
    except ValidationError as error:
        sys.exit("\n".join(_explained(settings, problem) for problem in error.errors()))
    except SettingsError as error:
        sys.exit(f"设置有误：{error}")
    except UnicodeDecodeError:  # as editors on Windows write it where they call that ANSI or Unicode
        sys.exit("设置有误：.env 不是 UTF-8 编码，请另存为 UTF-8")
    except OSError as error:
        sys.exit(f"设置有误：读不了 {error.filename}：{error.strerror}")
    remember(*(value.get_secret_value() for _, value in loaded if isinstance(value, SecretStr)))
    logs.configure(loaded.log_level, loaded.log_format)
    if loaded.otel_exporter_otlp_endpoint:
        tracing.begin(
            loaded.otel_exporter_otlp_endpoint,
            settings.__module__.replace("__main__", Path(sys.argv[0]).stem),
        )
    for line in env_file.unreadable_lines():
        log.warning(".env 第 %d 行没有读懂，应写成 名称=值", line)
    # What is no name may hold a value.
    names = list(filter(env_file.NAME.fullmatch, {**dotenv_values(".env"), **os.environ}))
    for name, meant in misspelt(settings, names) + called_otherwise(loaded, names):
        log.warning("不认识的设置 %s，是不是 %s？", name, meant)
    return loaded


def where_set(settings: ServiceSettings, fields: Iterable[str]) -> dict[str, str]:
    """Return where those of these settings that are set stand: `.env`, `environment` or `flag`."""
    written, environment = (
        {name.upper(): value for name, value in each.items() if value}
        for each in (dotenv_values(".env"), os.environ)
    )
    found = {}
    for name in (field.upper() for field in fields if field in settings.model_fields_set):
        # What starts the service may have put the file into the environment, as honcho does.
        spelt = name if name in written or name in environment else f"{name}{OF_FILE}"
        in_file = spelt in written and environment.get(spelt, written[spelt]) == written[spelt]
        found[name] = ".env" if in_file else "environment" if spelt in environment else "flag"
    return found


def misspelt(settings: type[ServiceSettings], names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names that are nearly one of the service's settings, each with the one that it resembles."""
    ours = [field.upper() + end for field in settings.model_fields for end in ("", OF_FILE)]
    found = []
    for name in sorted(names):
        service = next(filter(name.upper().startswith, SERVICES), "")  # no API_… is a misspelling of an MCP_…
        likely = [each for each in ours if each.startswith(service)]
        meant = difflib.get_close_matches(name.upper(), likely, 1, NEARLY)
        if meant and name.upper() not in ours:
            found.append((name, meant[0]))
    return found


def called_otherwise(loaded: ServiceSettings, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names under which other programs know a setting that is not set, each with ours."""
    return [
        (name, meant)
        for name in sorted(names)
        if (meant := loaded.other_names.get(name.upper())) and meant.lower() not in loaded.model_fields_set
    ]


def _explained(settings: type[ServiceSettings], problem: ErrorDetails) -> str:
    context: dict[str, Any] = problem.get("ctx") or {}
    context = {
        name: f"{value:.15g}" if isinstance(value, float) else value for name, value in context.items()
    }
    if problem["type"] == "value_error":
        said = str(context["error"])
    elif problem["type"] in SENTENCES:
        if problem["type"] == "literal_error":  # pydantic joins what it takes with an English "or"
            field = settings.model_fields[str(problem["loc"][0])]
            context["expected"] = "、".join(map(repr, get_args(field.annotation)))
        said = SENTENCES[problem["type"]].format_map(context)
    else:
        said = problem["msg"]
    name = "_".join(map(str, problem["loc"])).upper()
    return f"设置有误 {name}：{said}" if name else f"设置有误：{said}"
