r"""Formulas in TeX as MathML: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` on their own.

What is not quite TeX is shown as it was written; `$5 and $10` are prices.
"""

import atexit
import json
import re
import sys
import threading
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from functools import lru_cache
from html import escape
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO, Any, cast

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MAX_TEX = 2_000  # characters of a formula
MAX_HELD = 200  # characters of one that has only begun with `$`, which may be a price
LIVE = "live"  # the text of an answer that is still coming, in a parser's environment

_CLOSE = {"\\(": "\\)", "\\[": "\\]", "$$": "$$", "$": "$"}
_DOLLAR = re.compile(r"\$(?!\s)((?:[^$\\]|\\.){1,2000})(?<!\s)\$(?!\d)", re.DOTALL)
_IS_TEX = re.compile(r"[\\^_={}<>+]")
# Without any mark of TeX: a name, a number, few letters and operators, and no word, no dangling operator.
_IS_SHORT = re.compile(r"(?!.*[A-Za-z]{3})[\w\s()|!',.*/:-]*[\w)|!']", re.ASCII)
_DEFINES = re.compile(r"\\(\w*def|\w*command|let|DeclareMath\w*)(?![A-Za-z])")  # they can grow without end
_NUMBERED = re.compile(r"\\(begin|end)\{(align|equation|gather|multline)\}")
_SAME = {"split": "aligned", "smallmatrix": "matrix", "eqnarray": "align*", "eqnarray*": "align*"}
_OTHER = re.compile(r"\\(begin|end)\{(split|smallmatrix|eqnarray\*?)\}")
_STYLE = re.compile(r' style="([^"]*)"')
_CLASSES = {  # by what stands in an inline style; like no other class of the page
    "border-top": "tex-top",
    "border-right": "tex-side",
    "width: 50%": "tex-edge",
    "width: 100%": "tex-all",
}
# No element of MathML Core: browsers' own sanitisers take it out with all that it holds.
_ENCLOSED = re.compile(r'<menclose notation="([a-z ]*)">|<(/)menclose>')
CLASSES = frozenset(_CLASSES.values()) | {"tex-box", "tex-strike"}


def install(markdown: MarkdownIt) -> None:
    """Add formulas to a parser, before a backslash is read as an escape."""
    markdown.inline.ruler.before("bracket", "formula", _take_formula)
    markdown.block.ruler.before(
        "fence", "formula_block", _take_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    for name in ("formula", "formula_block"):
        markdown.add_render_rule(name, _rendered)


def may_be_in(text: str) -> bool:
    """Whether rendering it may wait for the converter."""
    return any(mark in text for mark in _CLOSE)


def _take_formula(state: StateInline, silent: bool) -> bool:
    src, begin = state.src, state.pos
    mark = next((mark for mark in _CLOSE if src.startswith(mark, begin)), None)
    if mark is None or (mark == "$" and re.match(r"[0-9A-Za-z$]", src[begin - 1 : begin], re.ASCII)):
        return False
    if mark == "$":
        found = _DOLLAR.match(src, begin, state.posMax)
        tex, end = (found[1], found.end()) if found else ("", 0)
    else:
        close = src.find(_CLOSE[mark], begin + 2, min(begin + 2 + MAX_TEX, state.posMax))
        tex, end = src[begin + 2 : max(close, 0)], close + 2
    if tex.strip() and (mark == "$$" or _is_tex(tex)):
        if not silent:
            token = state.push("formula", "math", 0)
            token.content, token.markup, token.info = tex, src[begin:end], mark
        state.pos = end
        return True
    if not tex and _may_come(state.env, src[begin : state.posMax], mark):
        state.pos = state.posMax  # the rest is not shown until it is whole
        return True
    return False


def _is_tex(tex: str) -> bool:
    return bool(_IS_TEX.search(tex) or _IS_SHORT.fullmatch(tex.strip()))


def _may_come(env: MutableMapping[str, Any], rest: str, mark: str) -> bool:
    """Whether an answer that is still coming may end in the middle of a formula."""
    if not env.get(LIVE, "").rstrip().endswith(rest.rstrip()):
        return False
    tex = rest[len(mark) :]
    if mark != "$":
        return len(tex) < MAX_TEX
    is_price = re.match(r"\s|\d[\d.,]*(\s|$|[^\x00-\x7f])", tex)
    return len(tex) < MAX_HELD and not is_price and (not tex or _is_tex(tex) or _is_tex(tex + "x"))


def _take_block(state: StateBlock, begin_line: int, end_line: int, silent: bool) -> bool:
    """Take a formula that has lines of its own, in which nothing else is markdown."""
    begin = state.bMarks[begin_line] + state.tShift[begin_line]
    mark = state.src[begin : begin + 2]
    if mark not in ("$$", "\\[") or state.is_code_block(begin_line):
        return False
    text, line = "", begin_line
    while line < end_line and len(text) < MAX_TEX:
        if line > begin_line and not state.isEmpty(line) and state.sCount[line] < state.blkIndent:
            break
        text += state.getLines(line, line + 1, state.blkIndent, True)
        line += 1
        close = text.find(_CLOSE[mark], text.index(mark) + 2)
        if close >= 0:
            tex, after = text[text.index(mark) + 2 : close], text[close + 2 :].strip()
            if after or not (mark == "$$" or _is_tex(tex)):
                return False
            return _push_block(state, mark, text, (begin_line, line), silent)
    if state.env.get(LIVE) is None or line < state.lineMax or len(text) >= MAX_TEX:
        return False
    return _push_block(state, mark, "", (begin_line, line), silent)


def _push_block(state: StateBlock, mark: str, text: str, lines: tuple[int, int], silent: bool) -> bool:
    if not silent:
        state.line = lines[1]
        token = state.push("formula_block", "math", 0)
        token.markup, token.info, token.map, token.block = text.strip(), mark, list(lines), True
        token.content = token.markup[2:-2]
    return True


def _rendered(_: object, tokens: Sequence[Token], index: int, *__: object) -> str:
    token = tokens[index]
    is_block = token.type == "formula_block"
    html = _mathml(token.content.strip(), token.info not in ("$", "\\(")) if token.content.strip() else ""
    if html is None:
        source = f"<code>{escape(token.markup)}</code>"
        return f"<pre>{source}</pre>\n" if is_block else source
    return f"<p>{html}</p>\n" if is_block and html else html


@lru_cache(maxsize=128)  # an answer that is coming is rendered again and again
def _mathml(tex: str, display: bool) -> str | None:
    if len(tex) > MAX_TEX or _DEFINES.search(tex):
        return None
    plain = _OTHER.sub(lambda found: f"\\{found[1]}{{{_SAME[found[2]]}}}", tex)
    if "\\tag" not in tex:
        plain = _NUMBERED.sub(r"\\\1{\2*}", plain)  # numbers would begin anew in each formula
    elif not _NUMBERED.search(tex):
        plain = f"\\begin{{equation}}{plain}\\end{{equation}}"
    if (html := _worker.convert(plain, display)) is None:
        return None
    html = _ENCLOSED.sub(
        lambda found: (
            "</mrow>" if found[2] else f'<mrow class="tex-{"strike" if "strike" in found[1] else "box"}">'
        ),
        html,
    )
    return f'<math alttext="{escape(tex)}"{_STYLE.sub(_without_style, html.removeprefix("<math"))}'


class _Worker:
    """The process that converts: there with the first formula, and anew after one that has ended it.

    What formulas do that to the converter cannot be listed: two such lists had gaps.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Popen[str] | None = None

    def convert(self, tex: str, display: bool) -> str | None:
        """Return the MathML; None for what is no TeX or takes too long."""
        with self._lock:
            process = self._process if self._process and self._process.poll() is None else self._start()
            with suppress(OSError):  # it has ended just now
                cast("IO[str]", process.stdin).write(json.dumps([tex, display]) + "\n")
                cast("IO[str]", process.stdin).flush()
            answer = cast("IO[str]", process.stdout).readline()
            html: str | None = json.loads(answer) if answer else None
            if not answer:
                self._end()
            return html

    def _start(self) -> Popen[str]:
        command = [sys.executable, "-P", str(Path(__file__).with_name("formula_worker.py"))]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)  # noqa: S603  our own
        atexit.unregister(self._end)
        atexit.register(self._end)
        return self._process

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


_worker = _Worker()


def _without_style(found: re.Match[str]) -> str:
    """Say in attributes how cells are aligned and lined: the page's policy forbids inline styles."""
    side = re.search("text-align: (left|right)", found[1])
    classes = " ".join(name for style, name in _CLASSES.items() if style in found[1])
    return (f' columnalign="{side[1]}"' if side else "") + (f' class="{classes}"' if classes else "")
