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


def pooled(url: str, spawn: Spawn, connections: int = 2) -> str:
    """Return where a database is behind PgBouncer, which has so many connections for all transactions."""
    address, _, database = url.rpartition("/")
    file, port = spawn.folder / "pgbouncer.ini", free_port()
    file.write_text(
        CONFIGURATION.format(server=address.rpartition(":")[2], port=port, connections=connections)
    )
    is_root = sys.platform != "win32" and os.geteuid() == 0  # as whom it does not run
    as_user = ["-u", "postgres"] if is_root else []
    process = spawn.program(require("pgbouncer"), str(file), "-q", *as_user).process
    while not is_open(port):
        assert process.poll() is None, "PgBouncer has ended"
    return f"postgresql://shop@127.0.0.1:{port}/{database}"
