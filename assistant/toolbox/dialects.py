"""What people paste to add a server: a file or an entry of any client, an address, a line for a terminal."""

import base64
import json
import re
import shlex
import tomllib
from collections.abc import Sequence
from pathlib import PureWindowsPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from assistant.toolbox.config import SHOWN, place_of_servers, well_formed
from assistant.toolbox.entries import flat, is_entry
from assistant.toolbox.json_faults import fault_of
from assistant.toolbox.jsonc import STRING, Document
from serving.addresses import is_loopback
from serving.errors import CodedError

_FENCE = re.compile(r"\s*```\w*\n(.*?)\n?```\s*", re.DOTALL)
_TABLE = re.compile(r"\[[\w.\" -]+\][ \t]*(\r?\n|$)")  # of Codex's config.toml
_JSON = re.compile(rf"[{{\[]|//|/\*|{STRING}\s*:")
_HOST = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?(/\S*)?")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_PACKAGE = re.compile(r"(?:@[^/]+/)?([^@=\[\s]+)")
# Commands that run what a later word names, and the words between.
CONTAINERS = ("docker", "podman")
RUNNERS = (
    *("npx", "bunx", "pnpx", "uvx", "uv", "pipx", "pnpm", "yarn", "bun", "deno"),
    *("node", "python", "python3", "py", "cmd", "sh", "bash", *CONTAINERS),
)
OPERATORS = {"&&", "||", "|", ";"}  # of a shell, which nobody asks to run a command
STEPS = ("run", "dlx", "exec", "x", "tool", "--", "npx", "/c")


def pasted(text: str) -> dict[str, Any]:
    """Return the entries that a text means, by name. Raises CodedError: it means none, and why."""
    fenced = _FENCE.fullmatch(text)
    text = (fenced[1] if fenced else text).strip().lstrip("\ufeff")
    try:
        if _TABLE.match(text):
            found = _of_root(tomllib.loads(text))
        elif _JSON.match(text):
            found = _of_root(_json(text))
        else:
            found = _of_link(text) or _of_line(text)
        json.dumps(found, allow_nan=False)  # TypeError: TOML has dates
        found = dict(well_formed(found))
    except (ValueError, TypeError, RecursionError) as error:
        raise CodedError("paste_not_understood") from error
    if not found:
        raise CodedError("paste_not_understood" if text else "paste_empty")
    return found


def in_dialect(entry: Any, path: Sequence[str], others: Sequence[Any]) -> Any:
    """Return an entry as the client writes it whose file has the others under these keys."""
    entry = flat(entry)
    is_command, root = bool(entry.get("command")), re.sub(r"[\W_]", "", path[-1]).lower() if path else ""
    how = str(entry.get("type") or ("sse" if str(entry.get("url")).endswith("/sse") else "http"))
    if root == "mcp":
        if is_command:
            entry["command"] = [entry["command"], *_args(entry)]
            entry.pop("args", None)
            entry |= {"environment": entry.pop("env")} if "env" in entry else {}
        return {**entry, "type": "local" if is_command else "sse" if how == "sse" else "remote"}
    if how in ("local", "remote"):
        how = "http"
        entry.pop("type")
        entry |= {"env": entry.pop("environment")} if "environment" in entry else {}
    if root == "servers" and "type" not in entry:
        return {"type": "stdio" if is_command else how, **entry}
    if (
        any(isinstance(each, dict) and isinstance(each.get("command"), dict) for each in others)
        and is_command
    ):
        inner = {key: entry.pop(key) for key in ("args", "env") if key in entry}
        return {**entry, "command": {"path": entry["command"], **inner}}
    return entry


def _args(entry: dict[str, Any]) -> list[Any]:
    args = entry.get("args")
    return args if isinstance(args, list) else []


def _json(text: str) -> Any:
    try:
        return Document.of(text.encode()).root
    except json.JSONDecodeError as error:
        raise CodedError("entry_not_json", **fault_of(error, SHOWN)) from error


def _of_root(root: Any) -> dict[str, Any]:
    if isinstance(root, list):
        return dict(_named(each) for each in root if is_entry(each))
    if is_entry(root):
        return dict([_named(root)])
    if not isinstance(root, dict):
        return {}
    path = place_of_servers(root)
    if path is None:  # below the key of a client that is not known here
        inner = (each for each in root.values() if isinstance(each, dict) and each)
        return next((each for each in inner if all(map(is_entry, each.values()))), {})
    for key in path:
        root = root[key]
    return dict(root)


def _named(entry: dict[str, Any]) -> tuple[str, Any]:
    name = entry.get("name")
    rest = {key: value for key, value in entry.items() if key != "name"}
    return name if isinstance(name, str) and name else _name_of(entry), rest


def _of_link(text: str) -> dict[str, Any]:
    """Return what an address means: a server's own, or one of the buttons that clients offer."""
    if re.search(r"\s", text):
        return {}
    if _HOST.fullmatch(text) and re.search(r"[:/]", text):
        text = ("http://" if is_loopback(re.split("[:/]", text)[0]) else "https://") + text
    parts = urlsplit(text)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if re.search(r"install|add_mcp", parts.netloc + parts.path) and parts.query:
        config = query.get("config") or unquote(parts.query)  # VS Code's is nothing but JSON
        if not config.startswith("{"):
            config = base64.b64decode(config.replace(" ", "+") + "==").decode()
        found = _of_root(json.loads(config))
        names = [query["name"]] if len(found) == 1 and "name" in query else list(found)
        return dict(zip(names, found.values(), strict=True))
    return _of_root({"url": text}) if parts.scheme in ("http", "https") else {}


def _of_line(text: str) -> dict[str, Any]:
    """Return what a line for a terminal means: a command, or a client's own for adding a server."""
    line = re.sub(r"(?<!\s)\s*[\\^`]\r?\n\s*", " ", text)
    if "\n" in line:
        raise CodedError("paste_not_understood")
    is_windows = re.search(r"[A-Za-z]:\\", line) is not None
    words = [word.strip("\"'") if is_windows else word for word in shlex.split(line, posix=not is_windows)]
    words = words[1:] if words[:1] in (["$"], [">"]) else words
    env = {}
    while words and (words[0] == "env" or _ASSIGNED.fullmatch(words[0])):
        if found := _ASSIGNED.fullmatch(words.pop(0)):
            env[found[1]] = found[2]
    if words[1:3] == ["mcp", "add-json"]:
        [name, json_text] = [word for word in words[3:] if not word.startswith("-")][-2:]
        return {name: json.loads(json_text)}
    if words[1:2] == ["--add-mcp"]:
        return _of_root(json.loads("".join(words[2:3])))
    if words[1:3] == ["mcp", "add"]:
        return _of_client(words[3:])
    if not words or _is_url(words[0]) or not OPERATORS.isdisjoint(words):
        return {}
    if len(words) == 1 and not re.search(r"[/\\.]|mcp", words[0]):
        return {}  # a word alone may be anything
    entry: dict[str, Any] = {"command": words[0], "args": words[1:]} | ({"env": env} if env else {})
    return {_name_of(entry): entry}


def _of_client(words: list[str]) -> dict[str, Any]:
    """Return what `claude mcp add`, `codex mcp add` and the like mean by their options and words."""
    entry: dict[str, Any] = {}
    plain: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--" or (len(plain) == 2 and not _is_url(plain[1])):
            plain += [*([] if word == "--" else [word]), *left]
        elif not word.startswith("-"):
            plain.append(word)
        else:
            option, has_value, value = word.lstrip("-").partition("=")
            value = value if has_value else next(left, "")
            name, _, text = (part.strip() for part in value.partition("=" if option in ("e", "env") else ":"))
            if option in ("e", "env"):
                entry.setdefault("env", {})[name] = text
            elif option in ("H", "header"):
                entry.setdefault("headers", {})[name] = text
            elif option in ("t", "transport"):
                entry["type"] = value
            elif option == "url":
                entry["url"] = value
    name, *what = plain or [""]
    if what and _is_url(what[0]):
        entry |= {"url": what[0]}
    elif what:
        entry |= {"command": what[0], "args": what[1:]}
    return {name: entry} if name and is_entry(entry) else {}


def _is_url(word: str) -> bool:
    return re.match(r"https?://", word) is not None


def _name_of(entry: dict[str, Any]) -> str:
    """Return a name for an entry that has none: the package's that it runs, or the host's."""
    url = next((str(entry[key]) for key in entry if key.lower().endswith("url")), "")
    if url:
        parts = urlsplit(url)
        labels = [each for each in (parts.hostname or "").split(".") if each not in ("www", "mcp", "api")]
        is_number = all(each.isdigit() for each in labels)
        return (parts.netloc.rpartition("@")[2] if is_number or len(labels) == 1 else labels[-2]) or "server"
    given = flat(entry)
    words = [str(word) for word in (given.get("command"), *_args(given))]
    command, *args = [PureWindowsPath(words[0]).stem, *words[1:]]
    named = [word for word in args if not word.startswith("-") and word not in STEPS]
    if command not in RUNNERS or not named:
        return command
    chosen = named[-1] if command in CONTAINERS else named[0]
    package = _PACKAGE.fullmatch(chosen) or _PACKAGE.match(chosen)
    return PureWindowsPath(re.split(r"[@:]", package[1])[0] if package else chosen).stem or command
