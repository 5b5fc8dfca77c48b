"""The model's markdown as HTML that is safe to show: rendered, then sanitised, for it is hostile."""

import nh3
from markdown_it import MarkdownIt

_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_markdown.disable("image")  # a remote image tells its host who reads; the alternative text stays readable

_TEXT = {"p", "br", "hr", "strong", "em", "s", "a", "code", "pre", "blockquote", "ul", "ol", "li"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_TABLES = {"table", "thead", "tbody", "tr", "th", "td"}


def to_html(markdown: str) -> str:
    """Render CommonMark with tables; links open elsewhere, and nothing in it runs or is fetched."""
    return nh3.clean(
        _markdown.render(markdown),
        tags=_TEXT | _HEADINGS | _TABLES,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
