"""A line plot as SVG, both axes logarithmic: a cost that grows is a slope, one that does not is flat."""

import math
from collections.abc import Iterable
from html import escape

Lines = dict[str, list[tuple[float, float]]]

WIDTH, HEIGHT = 680, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 40, 40  # margins; the legend stands on the right
COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#64748b")
GREY = "#8a8f98"  # reads on white and on black


def plot(title: str, size: str, lines: Lines) -> str:
    """Return the plot; every value is above zero."""
    across = _Axis((x for points in lines.values() for x, _ in points), LEFT, WIDTH - RIGHT)
    up = _Axis((y for points in lines.values() for _, y in points), HEIGHT - BOTTOM, TOP)
    parts = [_text(LEFT, 20, title, "start", 14), _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, size)]
    parts += [
        _text(across.place(value), HEIGHT - BOTTOM + 16, f"{value:,.10g}") for value in across.decades()
    ]
    for value in up.decades():
        y = up.place(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GREY}44"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{value:,.10g}", "end"))
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{across.place(x):.1f}" cy="{up.place(y):.1f}" r="3" fill="{colour}"/>'
            for x, y in points
        ]
        y = TOP + 18 * number
        parts.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{y}" width="12" height="4" fill="{colour}"/>')
        parts.append(_text(WIDTH - RIGHT + 32, y + 7, name, "start"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12">\n' + "\n".join(parts) + "\n</svg>\n"
    )


class _Axis:
    """A logarithmic scale over whole decades of the values."""

    def __init__(self, values: Iterable[float], start: float, end: float) -> None:
        found = list(values)
        self._low = math.floor(math.log10(min(found)))
        self._high = max(math.ceil(math.log10(max(found))), self._low + 1)
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Return where on the picture a value stands."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def decades(self) -> list[float]:
        """Return the powers of ten."""
        return [10.0**power for power in range(self._low, self._high + 1)]


def _text(x: float, y: float, words: str, anchor: str = "middle", size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="{GREY}">{escape(words)}</text>'
