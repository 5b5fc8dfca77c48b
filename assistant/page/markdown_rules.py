"""Rules of markdown beyond CommonMark that models rely on, most of all beside Chinese text.

Emphasis follows npm's `markdown-it-cjk-friendly`: CommonMark takes a mark between punctuation and a letter
for one that begins or ends nothing, but Chinese has no blanks around words, and its punctuation is wide.
"""

import re
import unicodedata
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink, validateLink
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

_URL = re.compile(r"https?://[^\s<>\"`\\|，。；：！？、（）【】《》〈〉「」『』“”‘’…～]+", re.IGNORECASE)
_URL_ENDS = re.compile(r"[.,;:!?'*_~]+$")
_SCHEME = re.compile(r"(?<![a-z0-9.+-])https?$", re.IGNORECASE)
_MAX_SCHEME = len("https") + 1  # with the character before it
_BREAK = re.compile(r"<br\s{0,9}/?>", re.IGNORECASE)
_PLAIN = r"[^<>\n]{1,200}+"
_RAISED = re.compile(rf"<(su[bp])>((?:{_PLAIN}|<(su[bp])>{_PLAIN}</\3>){{1,9}})</\1>", re.IGNORECASE)
_TASK = re.compile(r"\[([ xX])\][ \t]+")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")  # Hebrew, Arabic and others
_BRACKETS = frozenset("()[]{}")
_FOOTNOTES = {  # without ids, which the answers on a page would share
    "footnote_ref": "<sup>[{}]</sup>",
    "footnote_block_open": "<hr>\n<ol>\n",
    "footnote_block_close": "</ol>\n",
    "footnote_open": "<li>",
    "footnote_close": "</li>\n",
    "footnote_anchor": "",
}


def install(markdown: MarkdownIt) -> None:
    """Add the rules to a parser."""
    inline = _Inline()
    inline.ruler, inline.ruler2 = markdown.inline.ruler, markdown.inline.ruler2
    markdown.inline = inline
    markdown.use(footnote_plugin, inline=False)  # `^[a-z]` is a pattern
    for name, html in _FOOTNOTES.items():
        markdown.add_render_rule(name, _rendered_as(html))
    inline.ruler.before("escape", "bracket", _keep_backslash)
    inline.ruler.before("link", "url", _link_url)
    inline.ruler.before("html_inline", "tag", partial(_take_tag, inline))
    markdown.core.ruler.after("inline", "tasks", _mark_tasks)
    markdown.core.ruler.push("directions", _mark_directions)


def _mark_directions(state: StateCore) -> None:
    """Let a block with text that runs from right to left begin at its own side, marks and columns too."""
    block = Token("", "", 0)
    for token in state.tokens:
        if token.level == 0 and token.nesting == 1:
            block = token
        elif token.type == "inline" and _RIGHT_TO_LEFT.search(token.content):
            block.attrs["dir"] = "auto"


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802  markdown-it's
        scanned = super().scanDelims(start, canSplitWord)
        if not canSplitWord:
            return scanned
        end = start + scanned.length
        before = self.src[start - 1] if start else " "
        after = self.src[end] if end < self.posMax else " "
        return Scanned(_may_stand(after, before), _may_stand(before, after), scanned.length)


class _Inline(ParserInline):
    def parse(
        self, src: str, md: MarkdownIt, env: MutableMapping[str, Any], tokens: list[Token]
    ) -> list[Token]:
        if src and not self.terminator_re.search(src):  # no rule has anything to do, as in most cells
            tokens.append(Token("text", "", 0, content=src))
            return tokens
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def _may_stand(within: str, without: str) -> bool:
    """Whether a mark may have this character on the side of what it marks, and that one on the other."""
    if within.isspace():
        return False
    return not _is_narrow_punctuation(within) or (
        without.isspace() or _is_narrow_punctuation(without) or _is_wide(without)
    )


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F", "H")


def _is_narrow_punctuation(character: str) -> bool:
    return (isMdAsciiPunct(ord(character)) or isPunctChar(character)) and not _is_wide(character)


def _keep_backslash(state: StateInline, silent: bool) -> bool:
    """Keep a backslash before a bracket: there it begins a formula."""
    if state.src[state.pos] != "\\" or state.src[state.pos + 1 : state.pos + 2] not in _BRACKETS:
        return False
    if not silent:
        state.pending += state.src[state.pos : state.pos + 2]
    state.pos += 2
    return True


def _link_url(state: StateInline, silent: bool) -> bool:
    """Make a link of a bare URL; it ends before Chinese punctuation and what ends a sentence."""
    is_colon = state.src[state.pos] == ":" and not state.linkLevel
    scheme = _SCHEME.search(state.pending[-_MAX_SCHEME:]) if is_colon else None
    found = _URL.match(state.src, state.pos - len(scheme[0])) if scheme else None
    if scheme is None or found is None:
        return False
    url = _URL_ENDS.sub("", found[0])
    while url.endswith(")") and url.count(")") > url.count("("):
        url = _URL_ENDS.sub("", url[:-1])
    target = normalizeLink(url)
    if not validateLink(target) or len(url) <= len("https://"):
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[0])]
        state.push("link_open", "a", 1).attrs = {"href": target}
        state.push("text", "", 0).content = url
        state.push("link_close", "a", -1)
    state.pos += len(url) - len(scheme[0])
    return True


def _take_tag(inline: ParserInline, state: StateInline, silent: bool) -> bool:
    """Take the only tags that models use for what markdown has no marks for."""
    if found := _BREAK.match(state.src, state.pos):
        if not silent:
            state.push("hardbreak", "br", 0)
    elif found := _RAISED.match(state.src, state.pos):
        if not silent:
            tag, end = found[1].lower(), state.posMax
            state.push(f"{tag}_open", tag, 1)
            state.pos, state.posMax = found.span(2)
            inline.tokenize(state)  # one may stand in the other
            state.posMax = end
            state.push(f"{tag}_close", tag, -1)
    else:
        return False
    state.pos = found.end()
    return True


def _mark_tasks(state: StateCore) -> None:
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        first = inline.children[0] if inline.children else None
        is_item = (item.type, paragraph.type) == ("list_item_open", "paragraph_open")
        if is_item and first and (box := _TASK.match(first.content)):
            first.content = f"{'☐' if box[1] == ' ' else '☑'} {first.content[box.end() :]}"


def _rendered_as(html: str) -> Callable[..., str]:
    def render(_: object, tokens: Sequence[Token], index: int, *__: object) -> str:
        return html.format(tokens[index].meta.get("id", 0) + 1)

    return render
