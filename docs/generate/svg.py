"""The little SVG that our diagrams need: boxes, arrows, text; light or dark as the reader's system is."""

from collections.abc import Sequence
from html import escape
from math import hypot
from typing import NamedTuple

# GitHub shows an SVG as an image, in which the reader's colour scheme is known all the same.
STYLE = """\
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 11px; fill: #59636e }
  .name { font-weight: 600 }
  rect { fill: #f6f8fa; stroke: #59636e }
  .ground { fill: #ffffff; stroke: none }
  path { fill: none; stroke: #59636e }
  marker path { fill: #59636e; stroke: none }
  .halo { stroke: #ffffff; stroke-width: 7; stroke-linejoin: round; paint-order: stroke }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    rect { fill: #151b23; stroke: #9198a1 }
    .ground { fill: #0d1117; stroke: none }
    path { stroke: #9198a1 }
    marker path { fill: #9198a1 }
    .halo { stroke: #0d1117 }
  }
</style>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path
 d="M0 0 8 4 0 8z"/></marker>"""


class Box(NamedTuple):
    """A box with a name and lines of small print below it; `x` and `y` are its middle."""

    x: float
    y: float
    width: float
    height: float
    name: str
    lines: tuple[str, ...] = ()

    def drawn(self) -> str:
        """Return the box as SVG."""
        left, top = self.x - self.width / 2, self.y - self.height / 2
        middle = self.y + 5 if not self.lines else top + 19
        parts = [
            f'<rect x="{left:g}" y="{top:g}" width="{self.width:g}" height="{self.height:g}" rx="6"/>',
            text(self.x, middle, self.name, "name"),
        ]
        return "\n".join(
            [*parts, *(text(self.x, middle + 16 + 14 * i, line, "small") for i, line in enumerate(self.lines))]
        )

    def edge_towards(self, x: float, y: float) -> tuple[float, float]:
        """Return the point of its edge that lies on the way to another point."""
        across, down = x - self.x, y - self.y
        share = min(self.width / 2 / abs(across or 1e-9), self.height / 2 / abs(down or 1e-9))
        return self.x + across * share, self.y + down * share


def text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    """Return a line of text."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


class Arrow(NamedTuple):
    """An arrow from one box to another, bent to its left by so much, with a label at a share of its way."""

    start: Box
    end: Box
    label: Sequence[str] = ()
    bend: float = 0.0
    slide: float = 0.5

    def drawn(self) -> str:
        """Return its line as SVG."""
        (ax, ay), (mx, my), (bx, by) = self._points()
        return f'<path d="M{ax:.1f} {ay:.1f}Q{mx:.1f} {my:.1f} {bx:.1f} {by:.1f}" marker-end="url(#tip)"/>'

    def labelled(self) -> str:
        """Return its label as SVG, to be drawn when all lines are."""
        (ax, ay), (mx, my), (bx, by) = self._points()
        gone, left = self.slide, 1 - self.slide
        x = left * left * ax + 2 * left * gone * mx + gone * gone * bx
        y = left * left * ay + 2 * left * gone * my + gone * gone * by - 7 * (len(self.label) - 1) + 4
        return "\n".join(text(x, y + 14 * i, line, "small halo") for i, line in enumerate(self.label))

    def _points(self) -> tuple[tuple[float, float], ...]:
        start, end = self.start, self.end
        between = hypot(end.x - start.x, end.y - start.y) or 1.0
        aside = 2 * self.bend / between
        x = (start.x + end.x) / 2 + aside * (end.y - start.y)
        y = (start.y + end.y) / 2 - aside * (end.x - start.x)
        return start.edge_towards(x, y), (x, y), end.edge_towards(x, y)


def picture(width: float, height: float, title: str, description: str, parts: Sequence[str]) -> str:
    """Return a whole SVG, which says what it shows to those who do not see it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="t d">'
    )
    told = f'<title id="t">{escape(title)}</title>\n<desc id="d">{escape(description)}</desc>'
    # A ground of its own: a reader's system may be dark where the page around the picture is light.
    ground = f'<rect class="ground" width="{width:g}" height="{height:g}"/>'
    return "\n".join([head, told, STYLE, ground, *parts, "</svg>", ""])
