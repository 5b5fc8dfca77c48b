"""What can go wrong in the shop, as exceptions with a code; their sentences are in `sentences.py`."""

from serving.errors import CodedError


class StoreError(CodedError):
    """A purchase that the shop refuses; nothing was written."""


class EmptyPurchaseError(StoreError):
    """The customer's name is blank, or there are no lines."""

    def __init__(self) -> None:
        super().__init__("empty_purchase")


class UnknownProductError(StoreError):
    """A line names a product that the shop does not have."""

    def __init__(self, product_id: int) -> None:
        super().__init__("unknown_product", productId=product_id)


class OutOfStockError(StoreError):
    """The lines of one product together want more than there is."""

    def __init__(self, product_id: int, name: str, available: int) -> None:
        super().__init__("out_of_stock", productId=product_id, name=name, available=available)


class KeyReusedError(StoreError):
    """The idempotency key belongs to a different request."""

    def __init__(self) -> None:
        super().__init__("key_reused")


class StoreUnavailableError(CodedError):
    """The database is locked, full, read-only, damaged, gone or too new.

    Code and parameters are for the operator: they may name files and hosts.
    """


class CatalogError(CodedError):
    """The catalogue's file is wrong; the parameters name it, and the line or the entry and its field."""
