"""Code with its language and in colours."""

import re
from collections.abc import MutableMapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from assistant.page.formulas import LIVE

MAX_COLOURED = 4_000  # characters; what follows is plain, as are lines
MAX_LINE = 300  # longer than this: expressions of some lexers take the square of a line, of a heap of blanks
MAX_COLOURED_LIVE = 2_000  # ... while the answer is coming, and all of it is lexed again
_BLANKS = re.compile(r"(?:[ \t]*\n){6}|[ \t]{100}")

# Lexers that stay below 0.5 s for the worst texts of that size that we know; the one of Java does not.
LANGUAGES = """bash c c# c++ console cpp cs csharp css diff docker dockerfile go golang html http ini
    javascript js json jsx kotlin kt lua php powershell ps1 py python r rb rs ruby rust sql swift toml ts tsx
    typescript xml yaml yml"""
_LEXERS = {"java": "csharp", "sh": "bash", "shell": "bash", "zsh": "bash", "svg": "xml"}
_LEXERS |= {name: name for name in LANGUAGES.split()}
_CLASSES = {  # the first that a token's type is of; its class in conversation.css
    **{"Comment": "hl-c", "Keyword.Constant": "hl-n", "Keyword": "hl-k", "Operator.Word": "hl-k"},
    **{"Literal.String": "hl-s", "Literal.Number": "hl-n", "Generic.Inserted": "hl-s", "Name.Tag": "hl-k"},
    **dict.fromkeys(("Name.Attribute", "Name.Function", "Name.Class", "Name.Builtin"), "hl-f"),
    **{"Name.Decorator": "hl-f", "Generic.Deleted": "hl-d"},
}
CLASSES = frozenset(_CLASSES.values())


def install(markdown: MarkdownIt) -> None:
    """Render fenced code so; code in a line that has only begun is code already."""
    markdown.add_render_rule("fence", _fence)
    markdown.add_render_rule("code_block", _fence)
    markdown.inline.ruler.before("backticks", "live_code", _take_live_code)


def _fence(_: object, tokens: Sequence[Token], index: int, __: object, env: MutableMapping[str, Any]) -> str:
    token = tokens[index]
    language = (token.info.split() or [""])[0][:30]
    code, limit = token.content, MAX_COLOURED
    if live := env.get(LIVE):
        limit = MAX_COLOURED_LIVE
        if live.rstrip().endswith(code.rstrip()):  # not closed: this may be half of what closes it
            code = re.sub(r"(^|\n)[ \t]*[`~]{1,2}\n?$", r"\1", code)
    begin = _tame(code[:limit], len(code) > limit) if language.lower() in _LEXERS else ""
    html = (_coloured(begin, _LEXERS[language.lower()]) if begin else "") + escape(code[len(begin) :])
    named = ' class="language"' if language else ""
    return (
        f"<figure><figcaption{named}>{escape(language)}</figcaption><pre><code>{html}</code></pre></figure>\n"
    )


def _tame(code: str, is_cut: bool) -> str:
    """Return what of a text may be lexed: whole lines, none of them too long."""
    begin = code[: code.rfind("\n") + 1] if is_cut else code
    wild = re.search(rf"[^\n]{{{MAX_LINE}}}", begin) or _BLANKS.search(begin)
    return begin[: begin.rfind("\n", 0, wild.start() + 1) + 1] if wild else begin


def _coloured(code: str, name: str) -> str:
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415  30 ms, and 100 for the first language

    lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    html = ""
    for found, tokens in groupby(lexer.get_tokens(code), lambda token: _class_of(str(token[0]))):
        text = escape("".join(text for _, text in tokens))
        html += f'<span class="{found}">{text}</span>' if found else text
    return html


def _class_of(kind: str) -> str:
    name = kind.removeprefix("Token.")
    return next((_CLASSES[known] for known in _CLASSES if name.startswith(known)), "")


def _take_live_code(state: StateInline, silent: bool) -> bool:
    opened = re.compile("`+").match(state.src, state.pos)
    rest = state.src[state.pos : state.posMax] if opened and state.env.get(LIVE) else ""
    is_last = opened and rest and state.env[LIVE].rstrip().endswith(rest.rstrip())
    if not opened or not is_last or re.search(rf"(?<!`){opened[0]}(?!`)", rest[len(opened[0]) :]):
        return False
    if not silent and (code := rest[len(opened[0]) :].rstrip("`")):
        state.push("code_inline", "code", 0).content = code
    state.pos = len(state.src)
    return True
