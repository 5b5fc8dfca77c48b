"""What a service loads at its start: nothing that only some of them ever use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVICES = ("api", "main", "web")

# Each is loaded where it is first wanted; its time stands beside that import.
LATER = {
    *("asyncpg", "genai_prices", "jwt", "openai", "opentelemetry.sdk"),
    *("assistant.demo", "mcp_server.admission", "shop.postgres"),
}


def test_what_only_some_services_use_is_not_loaded_at_the_start() -> None:
    code = f"import sys, api, main, web; print(sorted({LATER} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


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


@pytest.mark.parametrize("service", SERVICES)
def test_no_certificates_are_read_by_imports(service: str, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("it has no named pipes")
    unread = tmp_path / "certificates.pem"
    os.mkfifo(unread)  # to open it would wait for ever
    code = f"import os, {service}; print(os.environ['SSL_CERT_FILE'])"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"SSL_CERT_FILE": str(unread)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert loaded.stdout == f"{unread}\n"
