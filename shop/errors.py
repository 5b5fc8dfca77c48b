"""What can go wrong in the shop, as exceptions with a code; their sentences are in `sentences.py`."""

from serving.errors import CodedError


class StoreError(CodedError):
    """A purchase that the shop refuses; nothing was written. Its codes: `sentences.REFUSALS`."""


class CommandError(StoreError):
    """A command that cannot be done as told, or no further; it can be given again."""


class StoreUnavailableError(CodedError):
    """The database is locked, full, read-only, damaged, gone or too new.

    Code and parameters are for the operator: they may name files and hosts.
    """


class OutcomeUnknownError(StoreUnavailableError):
    """The database went while it committed a purchase, which may be written, or not.

    Its key settles it: the same purchase, sent again, has the one order.
    """

    def __init__(self, cause: StoreUnavailableError) -> None:
        super().__init__(cause.code, **cause.params)


class CatalogError(CodedError):
    """The catalogue's file is wrong; the parameters name it, and the line or the entry and its field."""
