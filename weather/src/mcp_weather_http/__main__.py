"""What `python -m mcp_weather_http` runs."""

from mcp_weather_http.command import main

if __name__ == "__main__":
    main(prog_name="python -m mcp_weather_http")
