"""What people are asked, and filled-in prompts: a code with parameters, worded by who knows the code."""

from typing import Any

from mcp_server.sentences import TEXTS

TEXT_KEY = "product-mcp/text"  # in `_meta` of a question or a content block: what its text says

CLAUSES = "told"  # a parameter that is a list of clauses, not of names

Wording = dict[str, Any]


def wording(code: str, **params: Any) -> Wording:
    """Return a text by its code. A parameter is a text, a number, a wording, or a list of these."""
    return {"code": code, "params": params}


def said(text: Wording) -> str:
    """Return the sentence of a wording."""
    return TEXTS[text["code"]].format_map(
        {name: _part(value, "，" if name == CLAUSES else "、") for name, value in text["params"].items()}
    )


def _part(value: Any, separator: str) -> Any:
    if isinstance(value, list):
        return separator.join(said(each) for each in value)
    return said(value) if isinstance(value, dict) else value
