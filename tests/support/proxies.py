"""The real nginx and HAProxy as ordinary processes, with their files in a test's folder."""

from tests.support.processes import Service, Spawn, require

PIECES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx(spawn: Spawn, servers: str) -> Service:
    """Start nginx with these blocks within its `http`."""
    folder = spawn.folder
    temporary = "".join(f"{piece}_temp_path {folder}/{piece};\n" for piece in PIECES)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{servers}\n}}\n"
    )
    return spawn.program(require("nginx"), "-e", "stderr", "-c", str(config))


def haproxy(spawn: Spawn, config: str) -> Service:
    """Start HAProxy with this configuration."""
    file = spawn.folder / "haproxy.cfg"
    file.write_text(config)
    return spawn.program(require("haproxy"), "-db", "-f", str(file))
