"""The icons of the installed page, drawn from public/icon.svg: `uv run python -m tests.public.icons`."""

from tests.support.page_browser import chromium
from tests.support.processes import ROOT

PUBLIC = ROOT / "public"
ROUND = ' rx="9"'


def main() -> None:
    """Write the PNG files that manifest.webmanifest names; a maskable one fills its square."""
    svg = (PUBLIC / "icon.svg").read_text()
    drawings = {
        ("icon-192.png", 192): svg,
        ("icon-512.png", 512): svg,
        ("icon-maskable.png", 512): svg.replace(ROUND, ""),
    }
    with chromium() as browser:
        page = browser.new_page()
        for (name, pixels), drawing in drawings.items():
            page.set_viewport_size({"width": pixels, "height": pixels})
            page.set_content(f"<style>body{{margin:0}}svg{{display:block;width:100vw}}</style>{drawing}")
            page.screenshot(path=PUBLIC / name, omit_background=True)


if __name__ == "__main__":
    main()
