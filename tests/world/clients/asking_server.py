"""A server of FastMCP that asks in the middle of a call; run with that package's Python."""

from dataclasses import dataclass
from typing import Literal

from fastmcp import Context, FastMCP

server = FastMCP("asks")


@dataclass
class Booking:
    """What is asked for."""

    guests: int
    meal: Literal["lunch", "dinner"]


@server.tool
async def book(ctx: Context) -> str:
    """Book a table."""
    answer = await ctx.elicit("For how many?", Booking)
    if answer.action != "accept":
        return f"not booked: {answer.action}"
    return f"{answer.data.meal} for {answer.data.guests}"


if __name__ == "__main__":
    server.run(show_banner=False)
