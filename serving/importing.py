"""How a service imports quickly: it imports this before all else, and calls `all_imported` behind the rest.

Nothing is looked through for garbage meanwhile: what is imported stays.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

gc.disable()


@contextmanager
def built_when_used() -> Iterator[None]:
    """Import a package with many models that few need: pydantic builds each when it is first used."""
    from pydantic import BaseModel, ConfigDict  # noqa: PLC0415  large itself: not before `gc.disable`

    before = BaseModel.model_config
    BaseModel.model_config = ConfigDict(defer_build=True)
    try:
        yield
    finally:
        BaseModel.model_config = before


def all_imported() -> None:
    """From here on collect garbage as usual, but not among what was imported."""
    gc.freeze()  # or the first look would go through all of it
    gc.enable()
