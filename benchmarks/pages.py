"""The pages that hold the tables: what stands between `<!-- NAME -->` and `<!-- end -->` is written anew."""

import re
from collections.abc import Mapping

from benchmarks.services import ROOT

PAGES = (ROOT / "docs" / "figures.md", ROOT / "benchmarks" / "README.md")


def fill(texts: Mapping[str, str]) -> None:
    """Write each text into the places that bear its name."""
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for name, text in texts.items():
            place = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
            content = place.sub(f"\n{text}\n\n".replace("\\", r"\\"), content)
        page.write_text(content, encoding="utf-8")
