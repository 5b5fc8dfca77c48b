"""The real PgBouncer in transaction mode, as an ordinary process with its files in a test's folder."""

import os
import socket
import sys

from tests.support.processes import Spawn, free_port, require

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=shop
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
"""


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Pooler:
    """One PgBouncer, which has so many connections of a database for all transactions."""

    def __init__(self, url: str, spawn: Spawn, connections: int = 2) -> None:
        address, _, database = url.rpartition("/")
        self._spawn, self._port = spawn, free_port()
        server = address.rpartition(":")[2]
        self._file = spawn.folder / "pgbouncer.ini"
        self._file.write_text(CONFIGURATION.format(server=server, port=self._port, connections=connections))
        self.url = f"postgresql://shop@127.0.0.1:{self._port}/{database}"
        self.start()

    def start(self) -> None:
        is_root = sys.platform != "win32" and os.geteuid() == 0  # as whom it does not run
        as_user = ["-u", "postgres"] if is_root else []
        self._process = self._spawn.program(require("pgbouncer"), str(self._file), "-q", *as_user).process
        while not is_open(self._port):
            assert self._process.poll() is None, "PgBouncer has ended"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def pooled(url: str, spawn: Spawn, connections: int = 2) -> str:
    """Return where a database is behind PgBouncer."""
    return Pooler(url, spawn, connections).url
