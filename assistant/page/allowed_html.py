"""The only elements, attributes and addresses that the page is sent of a model's answer, whatever it says."""

import re
from functools import lru_cache

import nh3

from assistant.page import code_blocks, formulas

TAGS = """p br hr strong em s a code pre blockquote ul ol li sub sup h1 h2 h3 h4 h5 h6
    div table thead tbody tr th td figure figcaption span b i"""
# Of MathML what lays out formulas: no `annotation-xml`, `maction`, `semantics`, `mglyph`, address or style.
MATH = """math mi mn mo ms mtext mspace mrow mfrac msqrt mroot msub msup msubsup munder mover munderover
    mmultiscripts mprescripts mtable mtr mtd mphantom mpadded mstyle merror"""
MATH_ATTRIBUTES = {
    *("accent", "accentunder", "display", "displaystyle", "fence", "form", "largeop", "linethickness"),
    *("lspace", "mathvariant", "maxsize", "minsize", "movablelimits", "rspace", "scriptlevel"),
    *("stretchy", "symmetric", "width", "columnspan", "columnalign"),
}
_LENGTH = re.compile(r"\d{0,2}(\.\d*)?em|0|100%")  # nothing is drawn over what is elsewhere
_LENGTHS = ("lspace", "rspace", "width", "minsize", "maxsize", "linethickness")


def sanitise(html: str, image_hosts: frozenset[str] = frozenset()) -> str:
    """Keep what `render` makes, whatever the HTML; links open elsewhere, pictures come from these hosts."""
    return _cleaner(image_hosts).clean(html)


def is_shown(address: str, image_hosts: frozenset[str]) -> bool:
    """Whether a picture is loaded from there: over https, and from a host that is named."""
    found = re.match(r"https://([^/?#@\\\s]+)([/?#]|$)", address, re.IGNORECASE)
    return bool(found and found[1].lower() in image_hosts)


@lru_cache(maxsize=8)
def _cleaner(image_hosts: frozenset[str]) -> nh3.Cleaner:
    def kept(tag: str, attribute: str, value: str) -> str | None:
        if attribute in _LENGTHS and tag != "math" and not _LENGTH.fullmatch(value):
            return None
        if attribute == "src" and not is_shown(value, image_hosts):
            return None
        return value

    return nh3.Cleaner(
        tags=set(TAGS.split()) | set(MATH.split()) | ({"img"} if image_hosts else set()),
        attributes={"*": {"dir"}, "a": {"href", "title"}, "ol": {"start"}, "img": {"src", "alt", "title"}}
        | dict.fromkeys(MATH.split(), MATH_ATTRIBUTES)
        | {"math": {"display", "alttext"}},
        attribute_filter=kept,
        allowed_classes={
            "div": {"wide"},
            "th": {"num"},
            "td": {"num"},
            "figcaption": {"language"},
            "span": set(code_blocks.CLASSES),
            "mtd": set(formulas.CLASSES),
            "mrow": set(formulas.CLASSES),
            "mtable": set(formulas.CLASSES),
        },
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={
            "a": {"target": "_blank"},
            "div": {"tabindex": "0"},  # the keyboard scrolls what has the focus
            "pre": {"tabindex": "0"},
            "img": {"loading": "lazy", "referrerpolicy": "no-referrer"},
        },
    )
