"""How long the toolbox waits, and how often it tries."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The times and bounds of all links of a toolbox."""

    connect_seconds: float = 10.0
    """For a server to answer a list or a handshake."""

    start_seconds: float = 60.0
    """The same for a command, whose first start may install it."""

    call_seconds: float = 60.0
    """For one tool call."""

    ready_seconds: float = 3.0
    """How long a call waits for a server that is down."""

    first_delay_seconds: float = 0.5
    """Before the first further attempt to connect; doubled after each failure."""

    max_delay_seconds: float = 30.0
    """The longest pause between two attempts to connect."""

    max_local_delay_seconds: float = 2.0
    """The same on this machine, where a refused connection costs nothing."""

    poll_seconds: float = 10.0
    """Between two lists of a server's tools, where it cannot announce changes."""

    keep_alive_seconds: float = 4.0
    """How long an idle HTTP connection is kept. Below the 5 s of uvicorn and Node: a request that is sent
    while the server closes the connection is lost."""

    max_connections: int = 1_000
    """HTTP connections to one server."""

    max_pages: int = 100
    """Pages of one server's list of tools."""

    max_sends: int = 3
    """How often a call that may be repeated is sent."""
