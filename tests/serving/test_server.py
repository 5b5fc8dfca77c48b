"""How a service starts and ends, on a small one, as processes."""

import gc
import json
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from serving import server
from tests.support.processes import ROOT, Service, Spawn, free_port

Start = Callable[..., Service]


@pytest.fixture
def start(spawn: Spawn) -> Start:
    def started(port: int, *trouble: str, **given: str) -> Service:
        env = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **given}
        return spawn("tests/support/small_service.py", str(port), *trouble, env=env)

    return started


def ended(service: Service) -> tuple[int, str]:
    return service.process.wait(150), service.log.read_text(encoding="utf-8")


def greeted(service: Service) -> None:
    deadline = time.monotonic() + 150
    while "已启动" not in service.log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


ASKED = b"POST /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def ask_until_refused(port: int, answers: list[bytes]) -> None:
    """Ask over a connection each, as a balancer without probes does; note what is cut off as nothing."""
    while True:
        try:
            asking = socket.create_connection(("127.0.0.1", port), 20)
        except ConnectionRefusedError:
            return
        with asking:
            try:
                asking.sendall(ASKED)
                answers.append(asking.recv(12))
            except ConnectionError:
                answers.append(b"")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems reset who is in a listener's queue")
def test_who_connects_while_it_stops_is_answered_or_refused(start: Start) -> None:
    port, answers = free_port(), list[bytes]()
    service = start(port)
    greeted(service)
    asking = [threading.Thread(target=ask_until_refused, args=(port, answers)) for _ in range(8)]
    for each in asking:
        each.start()
    while len(answers) < 200:
        time.sleep(0.01)
    service.process.terminate()
    for each in asking:
        each.join()
    assert set(answers) == {b"HTTP/1.1 404"}


def test_what_was_loaded_is_not_looked_through_for_garbage_while_it_serves() -> None:
    class Once(server.Service):
        def run(self, sockets: list[socket.socket] | None = None) -> None:
            self.started, self.frozen = True, gc.get_freeze_count()

    service = Once(FastAPI(), host="127.0.0.1", port=0)
    gc.unfreeze()
    server.run(service)
    gc.unfreeze()
    assert service.frozen > 0


def test_a_start_that_fails_says_why_in_one_line(start: Start) -> None:
    assert ended(start(free_port(), "no database")) == (1, "无法启动：没有数据库\n")


def test_a_bug_at_the_start_shows_its_traceback(start: Start) -> None:
    status, log = ended(start(free_port(), "a bug"))
    assert status == 3
    assert "RuntimeError: a bug" in log


def test_a_port_in_use_is_named(start: Start) -> None:
    port = free_port()
    greeted(start(port))
    status, log = ended(start(port))
    assert status == 1
    assert log.startswith(f"无法启动：127.0.0.1:{port} 不能监听")
    assert log.count("\n") == 1


def test_the_greeting_comes_when_the_service_listens(start: Start) -> None:
    port = free_port()
    greeted(start(port))
    with httpx.stream("GET", f"http://127.0.0.1:{port}/", timeout=60) as answer:
        assert answer.status_code == 200


def test_where_to_go_on_is_said_last(start: Start) -> None:
    service = start(free_port(), "shares")
    greeted(service)
    assert re.search(r"shares nothing\n已启动\n$", service.log.read_text(encoding="utf-8"))


def test_who_starts_one_of_each_is_told_nothing_of_replicas(start: Start) -> None:
    service = start(free_port(), "shares", HONCHO_PROCESS_NAME="api.1")
    greeted(service)
    assert "shares nothing" not in service.log.read_text(encoding="utf-8")


@pytest.mark.anyio
async def test_an_address_of_ipv6_is_named_as_in_a_url() -> None:
    service = server.Service(FastAPI(), host="::1", port=(port := free_port()), setting="API")
    with socket.create_server(("::1", port), family=socket.AF_INET6), pytest.raises(SystemExit):
        await service.serve()
    assert str(service.failure).startswith(f"[::1]:{port} 不能监听")


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -15)])
def test_a_signal_ends_what_is_open_and_then_the_service(
    start: Start, how: signal.Signals, status: int
) -> None:
    port = free_port()
    service = start(port)
    greeted(service)
    with httpx.stream("GET", f"http://127.0.0.1:{port}/", timeout=60) as answer:
        words = answer.iter_text()
        assert next(words) == "first "
        service.process.send_signal(how)
        assert list(words) == ["last"]
    assert ended(service) == (status, "已启动\n")


def test_a_second_signal_changes_nothing(start: Start) -> None:
    port = free_port()
    service = start(port, "drain")
    greeted(service)
    with httpx.stream("GET", f"http://127.0.0.1:{port}/", timeout=60) as answer:
        words = answer.iter_text()
        assert next(words) == "first "
        service.process.send_signal(signal.SIGTERM)
        while httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60).status_code != 503:
            time.sleep(0.02)
        service.process.send_signal(signal.SIGINT)
        service.process.send_signal(signal.SIGINT)
        assert list(words) == ["last"]
    assert ended(service) == (-15, "已启动\n")


@pytest.mark.parametrize(
    ("door", "how", "status"),
    [("api", signal.SIGINT, 0), ("api", signal.SIGTERM, -15), ("web", signal.SIGINT, 0)],
)
def test_a_signal_while_it_waits_for_another_service_ends_it_cleanly(
    spawn: Spawn, tmp_path: Path, door: str, how: signal.Signals, status: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"s": {"url": f"http://{there}/mcp"}}}))
        env = {"DATABASE_URL": f"postgresql://a:b@{there}/c", "DATABASE_WAIT": "3600"}
        service = spawn(f"{door}.py", "--port", str(free_port()), env=env)
        silent.settimeout(60)
        with silent.accept()[0]:  # it waits for the answer
            service.process.send_signal(how)
            assert ended(service)[0] == status
    assert not re.search("Traceback|ERROR", ended(service)[1])
