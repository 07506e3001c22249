"""The page templates of each language, with what they call."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2

from .. import __version__
from ..languages import Language, catalogue
from . import formatting
from .causes import explained, told_causes
from .charts import bullet
from .judged import ARROWS, HEIGHT, WIDTH, told_drawing, told_margin, told_move, told_tally
from .record import EXIT_CODES, RunVerdict
from .wording import Wording

FOLDER = Path(__file__).parent / "templates"
"""Where the templates are, that of notebooks among them."""

WORDS: Mapping[RunVerdict, str] = {verdict: catalogue("en")[f"word.{verdict}"] for verdict in EXIT_CODES}
"""What each verdict is called in English."""


@cache
def templates(language: Language = "en") -> jinja2.Environment:
    """Return the templates of a language; what they say comes from its catalogue."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    wording = Wording(language)
    environment.globals.update(
        language=language,
        wording=wording,
        say=wording.say,
        number=wording.number,
        interval=wording.interval,
        whole=wording.whole,
        arrows=ARROWS,
        bullet=bullet,
        width=WIDTH,
        height=HEIGHT,
        explained=lambda figure: explained(figure, wording),
        told_causes=lambda verdict, result: told_causes(verdict, result, wording),
        told_drawing=lambda judged: told_drawing(judged, wording),
        told_margin=lambda judged: told_margin(judged, wording),
        told_move=lambda judged: told_move(judged, wording),
        told_tally=lambda words: told_tally(words, wording),
        seconds_between=formatting.seconds_between,
        unit_of=formatting.unit_of,
        version=__version__,
    )
    return environment
