"""A process that converts formulas, and may be ended by one: see `formulas.py`, which runs this file.

A line of JSON, `[tex, display]`, is answered by another: the MathML, or null for what is no TeX.
"""

import faulthandler
import json
import sys
from contextlib import suppress

from math_core import LatexError, LatexToMathML

# The converter's time doubles with each delimiter that nothing closes; what people write takes 1 ms.
MAX_SECONDS = 1.0


def run() -> None:
    """Answer until there is nothing more to read."""
    converter = LatexToMathML(
        fancy_error=False,
        max_expansions=500,
        macros={
            "substack": r"\begin{matrix}#1\end{matrix}",
            "ce": r"\mathrm{#1}",
            "mbox": r"\text{#1}",
        },
    )
    for line in sys.stdin:
        tex, display = json.loads(line)
        html = None
        faulthandler.dump_traceback_later(MAX_SECONDS, exit=True)  # ends the process, whatever it is doing
        with suppress(LatexError):
            html = converter.convert_with_local_state(tex, displaystyle=display)
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.write(json.dumps(html) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run()
