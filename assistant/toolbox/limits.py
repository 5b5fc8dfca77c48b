"""How long the toolbox waits, and how often it tries."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The times and bounds of all links of a toolbox."""

    connect_seconds: float = 10.0  # for a server to answer a list or a handshake
    start_seconds: float = 60.0  # the same for a command, whose first start may install it
    call_seconds: float = 60.0  # for one tool call, and again after each word of progress ...
    longest_call_seconds: float = 3600.0  # ... in all
    answer_seconds: float = 300.0  # how long a call waits for a person's answer, before 2026-07-28
    ready_seconds: float = 3.0  # how long a call waits for a server that is down
    first_delay_seconds: float = 0.5  # before the next attempt to connect; doubled after each failure
    max_delay_seconds: float = 30.0  # between two attempts to connect
    # The same on this machine, where a refused connection costs nothing, and servers start beside us.
    first_local_delay_seconds: float = 0.1
    max_local_delay_seconds: float = 2.0
    # Between two lists of a server's tools, where it cannot announce changes: the first, and, doubled after
    # each that is the same, the last. With 20 servers 10 s would take 1 to 2 % of a core.
    poll_seconds: float = 10.0
    max_poll_seconds: float = 40.0
    # How long an idle HTTP connection is kept. Below the 5 s of uvicorn and Node: a request that is sent
    # while the server closes the connection is lost.
    keep_alive_seconds: float = 4.0
    max_connections: int = 1_000  # HTTP connections to one server
    max_sends: int = 3  # of one call that may be repeated
