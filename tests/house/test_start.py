"""What a service loads at its start: nothing that only some of them ever use."""

import re
import subprocess
import sys

import pytest

SERVICES = ("api", "main", "web")

# Each is loaded where it is first wanted; its time stands beside that import.
LATER = {
    *("asyncpg", "genai_prices", "jwt", "markdown_it", "openai", "opentelemetry.sdk"),
    *("assistant.demo", "assistant.page.markdown", "mcp_server.admission", "shop.postgres"),
}


def test_what_only_some_services_use_is_not_loaded_at_the_start() -> None:
    code = f"import sys, api, main, web; print(sorted({LATER} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


def test_the_chat_loads_one_httpx_and_no_command_line_of_the_other() -> None:
    told = [sys.executable, "-X", "importtime", "web.py", "--help"]
    loaded = subprocess.run(told, capture_output=True, text=True, check=True).stderr
    assert re.search(r"\bhttpx2\b", loaded)
    assert not re.search(r"\b(httpx\.\w+|rich)\b", loaded)


def test_the_demo_model_reads_no_phrases_before_somebody_writes_in_traditional_characters() -> None:
    code = "from assistant.demo import model, words; print(words.to_traditional.cache_info().currsize)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "0\n"


@pytest.mark.parametrize("service", SERVICES)
def test_imports_are_not_looked_through_for_garbage(service: str) -> None:
    full = "gc.callbacks.append(lambda _, about: about['generation'] == 2 and print('looked'))"
    code = f"import gc; {full}; import {service}; gc.callbacks.clear(); print(gc.isenabled())"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "True\n"


OPENAPI = "from fastapi.openapi.models import OpenAPI as Late"
MESSAGE = "from mcp_types.methods import CLIENT_REQUESTS; Late = CLIENT_REQUESTS['ping', '2025-06-18']"
OF_SDK = "from mcp.shared.auth import OAuthToken as Late"


@pytest.mark.parametrize(
    ("service", "late"),
    [("api", [OPENAPI]), ("main", [MESSAGE, OF_SDK]), ("web", [OPENAPI, MESSAGE, OF_SDK])],
)
def test_models_that_few_need_are_built_when_they_are_used(service: str, late: list[str]) -> None:
    built = [f"{one}; print(Late.__pydantic_complete__)" for one in late]
    code = "\n".join([f"from {service} import Settings; print(Settings.__pydantic_complete__)", *built])
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "True\n" + "False\n" * len(late)
