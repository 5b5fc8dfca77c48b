"""What went wrong, as a code with parameters; the sentence is made where it leaves the service."""

from collections.abc import Mapping
from typing import Any


class CodedError(Exception):
    """Base of the exceptions that cross rooms: `code` names the kind, `params` the particulars.

    Its text is for logs and tracebacks; what a person or a model reads is made with `sentence`.
    """

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params

    def __str__(self) -> str:
        return f"{self.code} {self.params}" if self.params else self.code


def sentence(sentences: Mapping[str, str], code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence of a code with its parameters filled in. Raises KeyError for an unknown code."""
    return sentences[code].format_map(params)
