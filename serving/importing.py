"""How a service imports quickly: it imports this before all else, and calls `all_imported` behind the rest.

Nothing is looked through for garbage meanwhile: what is imported stays. And Ctrl+C just ends the program,
where Python would print forty lines of what was being imported.
"""

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

gc.disable()
# Only Python's own way is left: who ignores the signal (nohup) or has a handler keeps it.
_ends_at_once = (
    threading.current_thread() is threading.main_thread()  # others may not set it
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
)
if _ends_at_once:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
    """From here on collect garbage as usual, but not among what was imported, and take Ctrl+C as usual."""
    gc.freeze()  # or the first look would go through all of it
    gc.enable()
    if _ends_at_once and signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
