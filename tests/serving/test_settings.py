"""Settings, the same way in all three services."""

import itertools
import logging
import re
import sys
from pathlib import Path
from typing import Any, Literal, get_origin

import pytest
from pydantic import Field, SecretStr

import api
import main
import web
from serving.addresses import ListenHost
from serving.settings import ServiceSettings, Token, load, misspelt
from tests.support.processes import ROOT, Spawn

SERVICES: list[Any] = [api, main, web]
each_service = pytest.mark.parametrize("service", SERVICES, ids=["api", "main", "web"])


class Small(ServiceSettings):
    """A service with a setting of each kind."""

    host_field = "small_host"
    secret_field = "small_token"

    small_host: ListenHost = Field("127.0.0.1", description="address")
    small_port: int = Field(8000, ge=1, le=65535, description="port")
    small_ratio: float = Field(0.5, description="ratio")
    small_fast: bool = Field(False, description="fast")
    small_mode: Literal["a", "b"] = Field("a", description="mode")
    small_path: str = Field("/", pattern="^/", description="path")
    small_token: Token | None = Field(None, description="token")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where no `.env` is."""
    monkeypatch.chdir(tmp_path)


def refusal(settings: Any, *args: str) -> str:
    with pytest.raises(SystemExit) as ended:
        load(settings, list(args))
    return str(ended.value.code)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SMALL_PORT", "many", "应为整数"),
        ("SMALL_PORT", "0", "不能小于 1"),
        ("SMALL_PORT", "70000", "不能大于 65535"),
        ("STOP_TIMEOUT", "3600.5", "不能大于 3600"),
        ("DRAIN_SECONDS", "-1", "不能小于 0"),
        ("SMALL_RATIO", "much", "应为数字"),
        ("SMALL_FAST", "perhaps", "应为 true 或 false"),
        ("SMALL_MODE", "c", "应为 'a'、'b' 之一"),
        ("SMALL_PATH", "x", "格式不对，应符合 ^/"),
        ("SMALL_TOKEN", "口令", "令牌要放进请求头，只能用可见的 ASCII 字符，不能有空格和中文"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert refusal(Small) == f"设置有误 {name}：{said}"


def test_each_wrong_setting_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_RATIO", "much")
    assert (
        refusal(Small, "--small-port", "x") == "设置有误 SMALL_PORT：应为整数\n设置有误 SMALL_RATIO：应为数字"
    )


@each_service
def test_no_service_tells_a_wrong_setting_in_the_validators_english(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, field in service.Settings.model_fields.items():
        if field.annotation in (int, float, bool) or get_origin(field.annotation) is Literal:
            monkeypatch.setenv(name.upper(), "no such value")
            said = refusal(service.Settings)
            assert re.fullmatch(rf"设置有误 {name.upper()}：应为.+", said)
            assert " or " not in said
            monkeypatch.delenv(name.upper())


def test_a_word_to_choose_from_may_be_written_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MCP_LOG_LEVEL": "DEBUG", "MCP_TRANSPORT": "SSE", "MCP_CONFIRM": "Always"}.items():
        monkeypatch.setenv(name, value)
    chosen = load(main.Settings, ["--log-format", "JSON"])
    assert (chosen.mcp_log_level, chosen.log_format) == ("debug", "json")
    assert (chosen.mcp_transport, chosen.mcp_confirm) == ("sse", "always")


SPELT = [
    "http://u:{0}@h:80x/api",
    "http://u:{0}/p@h/api",
    "http://u:{0}?p@h",
    "u:{0}@h",
    "http:/u:{0},{0}@h",
    "{0}@",
]


@pytest.mark.parametrize(
    ("service", "name"),
    [
        *((main, name) for name in ("API_URL", "MCP_HOST", "MCP_ALLOWED_HOSTS", "MCP_ALLOWED_ORIGINS")),
        *((web, name) for name in ("WEB_IMAGE_HOSTS", "CORS_ORIGINS", "WEB_APPS_ORIGIN")),
    ],
)
def test_no_password_of_a_misspelt_address_is_repeated(
    service: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spelling in SPELT:
        monkeypatch.setenv(name, spelling.format("s3cret"))
        said = refusal(service.Settings)
        assert name in said
        assert "s3cret" not in said


@each_service
@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "big5"])
def test_a_file_of_another_encoding_is_one_sentence(service: Any, encoding: str) -> None:
    Path(".env").write_text("# 端口\nAPI_PORT=8001\n", encoding)
    assert refusal(service.Settings) == "设置有误：.env 不是 UTF-8 编码，请另存为 UTF-8"


@each_service
def test_an_open_address_wants_a_secret(service: Any) -> None:
    host, secret = service.Settings.host_field.upper(), service.Settings.secret_field
    said = refusal(service.Settings, "--host", "0.0.0.0")
    wanted = f"必须同时设置 {secret.upper()}"
    assert said == f"设置有误：{host}=0.0.0.0 不是本机地址，其他机器也能连接，所以{wanted}"
    load(service.Settings, ["--host", "0.0.0.0", f"--{secret.replace('_', '-')}", "s"])


@each_service
def test_no_application_is_made_for_an_open_address_without_a_secret(service: Any) -> None:
    with pytest.raises(ValueError, match=service.Settings.secret_field.upper()):
        service.create_app(service.Settings(**{service.Settings.host_field: "192.168.1.2"}))


@pytest.mark.parametrize(
    ("service", "name"),
    [(api, "API_TOKEN"), (api, "OWNER_TOKEN"), (main, "API_TOKEN"), (main, "MCP_TOKEN")],
)
@pytest.mark.parametrize("token", ["口令", "   ", "\t", "a\u200bb", "a\nb", "a\u00a0", "\x7f"])
def test_a_token_that_no_header_can_carry_is_refused(
    service: Any, name: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, token)
    assert refusal(service.Settings).startswith(f"设置有误 {name}：令牌要放进请求头")


@pytest.mark.parametrize(
    ("service", "name", "value", "said"),
    [
        (web, "WEB_SECRET", "short", "密钥至少要有 16 个字符"),
        (web, "WEB_SECRET", " " * 16, "不能有换行等看不见的字符，也不能全是空格"),
        (web, "WEB_SECRET", "\u200b" * 16, "不能有换行等看不见的字符"),
        (web, "WEB_SECRET", "short".ljust(16), "密钥至少要有 16 个字符"),
        (web, "WEB_PASSWORD", "line\nbreak", "不能有换行"),
        (web, "WEB_PASSWORD", "   ", "不能有换行等看不见的字符，也不能全是空格"),
        (main, "MCP_TOKEN", "two words", "令牌要放进请求头"),
        (web, "CORS_ORIGINS", "https://a.example, *", "* 不是网页来源"),
        (main, "MCP_ALLOWED_ORIGINS", "null", "null 不是网页来源"),
        (web, "WEB_IMAGE_HOSTS", "https://a.example", "https://a.example 不是主机名"),
        (web, "WEB_IMAGE_HOSTS", "a.example; script-src *", "a.example; script-src * 不是主机名"),
        (api, "API_ALLOWED_ORIGINS", "shop.example.com", "shop.example.com 不是网页来源"),
    ],
)
def test_a_secret_that_guards_nothing_and_an_origin_that_is_none_are_refused(
    service: Any, name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert refusal(service.Settings).startswith(f"设置有误 {name}：{said}")


@each_service
def test_help_has_a_line_for_every_setting(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(service.Settings, "--help") == "0"
    shown = " ".join(capsys.readouterr().out.split())
    assert " ".join(service.Settings.__doc__.split()) in shown  # `api.py` names its commands there
    for field in service.Settings.model_fields.values():
        assert field.description
        assert " ".join(field.description.split()) in shown


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--small-prot", "9"], "不认识的参数 --small-prot，是不是 --small-port？"),
        (["--small-prot=9"], "不认识的参数 --small-prot，是不是 --small-port？"),
        (["--small-tokn", "s3cret"], "不认识的参数 --small-tokn，是不是 --small-token？"),
        (["--SMALL-PORT", "9"], "不认识的参数 --SMALL-PORT"),
        (["--small-po", "9"], "不认识的参数 --small-po，是不是 --small-port？"),
        (["--no-samll-fast"], "不认识的参数 --no-samll-fast，是不是 --no-small-fast？"),
        (["-x"], "不认识的参数 -x"),
        (["s3cret"], "多了一个词，它不是参数"),
        (["--small-token=", "s3cret"], "多了一个词，它不是参数"),
        (["--small-port"], "参数 --small-port 后面少了它的值"),
        (["--small-port", "--small-fast"], "参数 --small-port 后面少了它的值"),
        (["--small-fast=2"], "参数 --small-fast/--no-small-fast 后面不要写值"),
    ],
)
def test_a_wrong_flag_is_named_in_one_line_without_its_value(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(Small, *args) == "2"
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n"), told.err.startswith(said)) == ("", 1, True), told.err
    assert "s3cret" not in told.err


@pytest.mark.parametrize(
    ("service", "flag", "meant"),
    [(api, "--ap-port", "--api-port"), (main, "--prot", "--port"), (web, "--chekc", "--check")],
    ids=["api", "main", "web"],
)
def test_a_service_names_the_flag_that_was_meant(
    service: Any, flag: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(service.Settings, flag) == "2"
    assert f"是不是 {meant}？" in capsys.readouterr().err


def test_a_name_that_is_nearly_one_of_ours_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SMALL_PROT", "1")
    Path(".env").write_text("SMALL_HOTS=localhost\n")
    with caplog.at_level(logging.WARNING):
        load(Small, [])
    assert [record.getMessage() for record in caplog.records] == [
        "不认识的设置 SMALL_HOTS，是不是 SMALL_HOST？",
        "不认识的设置 SMALL_PROT，是不是 SMALL_PORT？",
    ]


def test_the_names_of_other_programs_are_told_while_ours_are_not_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://llm.example/v1")
    load(web.Settings, [])
    assert "不认识的设置 OPENAI_BASE_URL，是不是 OPENAI_API_BASE？" in caplog.messages
    caplog.clear()
    monkeypatch.setenv("OPENAI_API_BASE", "https://llm.example/v1")
    load(web.Settings, [])
    assert not caplog.messages


@pytest.mark.parametrize(
    "line",
    ["SMALL_PORT: 80", "set SMALL_PORT=80", '$env:SMALL_PORT = "80"', "SMALL_PORT＝80", "SMALL_PORT 80"],
)
def test_a_line_that_sets_nothing_is_told_once(
    line: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text(f"# ports\n\n{line}\nexport SMALL_HOST=localhost # here\n", "utf-8-sig")
    assert load(Small, []).small_host == "localhost"
    assert caplog.messages == [".env 第 3 行没有读懂，应写成 名称=值"]
    assert "dotenv" not in capfd.readouterr().err


WRITTEN = r"""SMALL_TOKEN=a#b\c
SMALL_PATH=/my own/shop # where it is
SMALL_HOST="localhost"
"""


def test_honcho_changes_no_value(spawn: Spawn) -> None:
    """It joins the words of a line, and drops backslashes and what follows a `#`."""
    code = "from tests.serving.test_settings import Small, load; s = load(Small, [])"
    shown = "print('as', (s.small_token.get_secret_value(), s.small_path, s.small_host, s.small_mode))"
    (spawn.folder / "show.py").write_text(f"{code}\n{shown}\n")
    (spawn.folder / "Procfile").write_text(f"show: {sys.executable} show.py\n")
    (spawn.folder / ".env").write_text(f"{WRITTEN}SMALL_MODE=a\n")
    (spawn.folder / "other.env").write_text("SMALL_MODE=b\n")
    env = {"PYTHONPATH": str(ROOT)}
    honcho = spawn.program(sys.executable, "-m", "honcho", "-e", ".env,other.env", "start", env=env)
    assert honcho.process.wait(150) == 0
    assert r"('a#b\\c', '/my own/shop', 'localhost', 'b')" in honcho.log.read_text()


@pytest.mark.parametrize("name", ["PATH", "SMALL_PORT", "small_port", "API_PORT", "LARGE_POINT"])
def test_other_names_are_not(name: str) -> None:
    assert misspelt(Small, [name]) == []


@each_service
def test_a_setting_of_another_service_is_no_misspelling(service: Any) -> None:
    every = {name.upper() for each in SERVICES for name in each.Settings.model_fields}
    assert misspelt(service.Settings, every | {f"{name}_FILE" for name in every}) == []


@pytest.mark.parametrize(
    ("service", "name", "meant"),
    [
        (main, "MCP_PROT", "MCP_PORT"),
        (main, "mcp_prot", "MCP_PORT"),
        (main, "MPC_PORT", "MCP_PORT"),
        (web, "WEB_ALLOWED_HOST", "WEB_ALLOWED_HOSTS"),
        (api, "API_ALOWED_HOSTS", "API_ALLOWED_HOSTS"),
        (api, "DATABSE_URL", "DATABASE_URL"),
        (web, "TRUSTED_PROXY", "TRUSTED_PROXIES"),
        (api, "TRUST_PROXIES", "TRUSTED_PROXIES"),
        (web, "OPENAI_APIKEY", "OPENAI_API_KEY"),
        (main, "MCP_TOKN_FILE", "MCP_TOKEN_FILE"),
        (main, "MCP_TOKEN_FLE", "MCP_TOKEN_FILE"),
    ],
)
def test_the_likely_name_is_told(service: Any, name: str, meant: str) -> None:
    assert misspelt(service.Settings, [name]) == [(name, meant)]


def test_a_flag_beats_the_environment_which_beats_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(Small, []).small_port == 8000
    Path(".env").write_text("SMALL_PORT=1111\n")
    assert load(Small, []).small_port == 1111
    monkeypatch.setenv("SMALL_PORT", "2222")
    assert load(Small, []).small_port == 2222
    assert load(Small, ["--small-port", "3333"]).small_port == 3333


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_PORT", "")
    assert load(Small, []).small_port == 8000


def documented() -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))


@each_service
def test_env_example_names_every_setting_with_its_default(service: Any) -> None:
    for name, field in service.Settings.model_fields.items():
        if not field.exclude:  # else only a flag
            default = "" if field.default is None else field.default
            text = default.get_secret_value() if isinstance(default, SecretStr) else str(default)
            assert documented()[name.upper()] == (text.lower() if isinstance(default, bool) else text)


@each_service
def test_a_collector_is_an_address(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("127.0.0.1:4318", "grpc://a:4317", "http://", "http:///v1", "http://a:99999"):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)
        assert "OTEL_EXPORTER_OTLP_ENDPOINT：应以 http:// 或" in refusal(service.Settings)


def test_no_variable_of_another_program_makes_a_check_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECK", "1")
    assert not load(web.Settings, []).web_check
    assert load(web.Settings, ["--check"]).web_check


@pytest.mark.parametrize(
    "line",
    [
        "WEB_TRUST_COMMANDS=true",
        "WEB_STATE_DIR=/tmp",
        "web_trust_commands_file=yes",
        "WEB_STATE_DIR_FILE=yes",
        "XDG_STATE_HOME=/tmp",
        "xdg_state_home=state",
        "HOME=/tmp",
        "LOCALAPPDATA=/tmp",
        "USERPROFILE=/tmp",
    ],
)
def test_a_project_cannot_allow_its_own_commands(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line)
    (tmp_path / "yes").write_text("true")
    assert "不能写在 .env 里" in refusal(web.Settings)


def test_env_example_names_nothing_else_and_says_what_each_is_for() -> None:
    known = {
        name.upper()
        for service in SERVICES
        for name, field in service.Settings.model_fields.items()
        if not field.exclude
    }
    assert documented().keys() == known
    lines = (ROOT / ".env.example").read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"[A-Z_]+=", line):
            assert before.startswith("# "), line


@each_service
def test_a_secret_may_stand_in_a_file(
    service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = service.Settings.secret_field
    (tmp_path / "secret").write_text("\ufeffa-token-of-24-characters\r\n")  # as Notepad writes it
    monkeypatch.setenv(f"{secret}_file".upper(), str(tmp_path / "secret"))
    loaded = load(service.Settings, [])
    assert getattr(loaded, secret).get_secret_value() == "a-token-of-24-characters"
    assert not caplog.messages
    flag = f"--{secret.replace('_', '-')}"
    assert (
        getattr(load(service.Settings, [flag, "stronger-than-a-file"]), secret).get_secret_value()[0] == "s"
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"SMALL_TOKEN_FILE": "nowhere"}, "SMALL_TOKEN_FILE：读不了这个文件"),
        ({"SMALL_TOKEN_FILE": "."}, "SMALL_TOKEN_FILE：读不了这个文件"),
        ({"SMALL_TOKEN_FILE": "binary"}, "SMALL_TOKEN_FILE：读不了这个文件"),
        ({"SMALL_TOKEN_FILE": "empty"}, "SMALL_TOKEN_FILE：empty 是空的"),
        ({"SMALL_TOKEN_FILE": "text", "SMALL_TOKEN": "x"}, "SMALL_TOKEN 和 SMALL_TOKEN_FILE 只能设置一个"),
        ({"SMALL_PORT_FILE": "text"}, "设置有误 SMALL_PORT：应为整数"),
    ],
)
def test_a_file_that_cannot_be_a_setting_is_named(
    files: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "text").write_text("text")
    (tmp_path / "empty").write_text("\n")
    for name, value in files.items():
        monkeypatch.setenv(name, value)
    assert said in refusal(Small)
