"""How a service imports quickly: it imports this before all else, and calls `all_imported` behind the rest.

A start is imports. Two things that go on meanwhile are left out, a sixth or so of their CPU time:

- to look for garbage: what is imported stays;
- to read the system's certificates: aiohttp does that twice, for two contexts that nobody uses here, since
  each client is given its own.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

CERTIFICATES = "SSL_CERT_FILE"  # where OpenSSL looks for the system's


@contextmanager
def _quickly() -> Iterator[None]:
    named = os.environ.get(CERTIFICATES)
    os.environ[CERTIFICATES] = os.devnull
    gc.disable()
    yield
    gc.freeze()  # or the first look would go through all of it
    gc.enable()
    del os.environ[CERTIFICATES]
    if named is not None:
        os.environ[CERTIFICATES] = named


_imports = ExitStack()
_imports.enter_context(_quickly())
all_imported = _imports.close  # from here on all as usual; to say it again does nothing
