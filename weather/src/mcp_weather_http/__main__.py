"""Runs the command as `python -m mcp_weather_http`."""

from mcp_weather_http.server import main

if __name__ == "__main__":
    main(prog_name="python -m mcp_weather_http")
