"""What went wrong, as a code with parameters; the sentence is made where it leaves the service."""

from collections.abc import Mapping
from typing import Any


class CodedError(Exception):
    """Base of the exceptions that cross rooms: `code` names the kind, `params` the particulars.

    Two are equal that say the same: a state that holds one has not changed when the same happens again.
    Its text is for logs and tracebacks; what a person or a model reads is made with `sentence`.
    """

    def __init__(self, code: str, /, **params: Any) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CodedError):
            return NotImplemented
        return (type(self), self.code, self.params) == (type(other), other.code, other.params)

    def __hash__(self) -> int:
        return hash((type(self), self.code))

    def __str__(self) -> str:
        return f"{self.code} {self.params}" if self.params else self.code


def sentence(sentences: Mapping[str, str], code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence of a code with its parameters filled in. Raises KeyError for an unknown code."""
    return sentences[code].format_map(params)
