"""How a page says things in its reader's language: texts from the catalogue, numbers, moments and durations. Pure.

Numbers are written by :mod:`.tables`, as everywhere, and only then given the language's signs: a French page says
``1 234,5 ms`` where an English one says ``1,234.5 ms``.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from markupsafe import Markup

from ..languages import Language, catalogue
from ..languages.notebooks import translated
from ..measure.kpis import KPIS, Kpi, Verdict
from ..measure.place import Place
from ..measure.stats import Interval
from . import formatting, tables

_BINDING = re.compile(r" (?=[:;?!»%])|(?<=«) ")
_FRENCH_SIGNS = str.maketrans({",": "\u202f", ".": ",", " ": "\u00a0"})
_WAYS = {"origin alone": "way.origin", "all reads": "way.all"}


@dataclass(frozen=True)
class Wording:
    """The words of one language.

    Args:
        language: ``en`` or ``fr``.
    """

    language: Language

    def say(self, key: str, /, **values: object) -> Markup:
        """Return a text of the catalogue as markup, its values escaped.

        Raises:
            KeyError: the catalogue has no such text, or a value is missing.
        """
        # The catalogue's own tags are meant; what is put in is escaped by format.
        return Markup(self._bound(self._texts[key])).format(**values)  # noqa: S704

    def plain(self, key: str, /, **values: object) -> str:
        """Return a text of the catalogue for a terminal.

        Raises:
            KeyError: the catalogue has no such text, or a value is missing.
        """
        return self._texts[key].format(**values)

    def text(self, key: str, /, **values: object) -> str:
        """Return a text of the catalogue for an output of a notebook: plain, French signs on the line of their word.

        Raises:
            KeyError: the catalogue has no such text, or a value is missing.
        """
        said = self.plain(key, **values)
        return self._bound(said) if self.language == "fr" else said

    def has(self, key: str) -> bool:
        """Tell whether the catalogue has a text."""
        return key in self._texts

    def prose(self, source: str) -> str | None:
        """Return a Markdown cell in this language, see :func:`.languages.notebooks.translated`."""
        text = translated(source, self.language)
        return None if text is None else self._bound(text)

    def count(self, key: str, number: int, /, **values: object) -> Markup:
        """Return the text for one of something, or for several; French says one for none, too."""
        one = number == 1 or (number == 0 and self.language == "fr")
        return self.say(f"{key}{'one' if one else 'many'}", n=self.whole(number), **values)

    def number(self, value: float, unit: str) -> str:
        """Write a figure in its unit, see :func:`.tables.number`."""
        written = tables.number(value, unit)
        return self.plain("number.none") if written == "no value" else self._signed(written)

    def whole(self, number: int) -> str:
        """Write how many there are of something."""
        return self._signed(f"{number:,}")

    def interval(self, figure: Interval, unit: str) -> str:
        """Write a figure's 95 % interval, or that there is none."""
        if figure.low is None or figure.high is None:
            return self.plain("number.few")
        low = self._signed(tables.number(figure.low, unit).removesuffix(unit).strip())
        return self.plain("number.interval", low=low, high=self.number(figure.high, unit))

    def target(self, kpi: Kpi) -> str:
        """Write what a KPI asks for; of what must never be, how sure one has to be."""
        bound = self.number(kpi.target, kpi.unit)
        if kpi.direction == "none":
            return self.plain("number.never", bound=bound)
        return f"{'>' if kpi.direction == 'above' else '<'} {bound}"

    def seen(self, verdict: Verdict) -> str:
        """Write what was measured; of what must never be, how often it was seen."""
        figure, kpi = verdict.figure, verdict.kpi
        if kpi.direction == "none":
            cases = self.whole(round(figure.value * figure.samples))
            return self.plain("number.of", seen=cases, all=self.whole(figure.samples))
        return self.number(figure.value, kpi.unit)

    def label(self, figure: str) -> str:
        """Return what a figure is called."""
        return self._texts.get(f"figure.{figure}", figure)

    def kpi(self, kpi: Kpi) -> str:
        """Return what a KPI is called: by a file of the user's own if that says something else than ours."""
        usual = kpi.name in KPIS and KPIS[kpi.name].label == kpi.label
        return self.label(kpi.name) if usual else kpi.label

    def way(self, path: str) -> str:
        """Return what a way of being answered is called."""
        return self._texts.get(_WAYS.get(path, f"way.{path}"), path)

    def moment(self, moment: str) -> str:
        """Write a moment in ISO 8601 to the minute; what is empty is an unknown time."""
        if not moment:
            return self.plain("moment.unknown")
        utc = datetime.fromisoformat(moment).astimezone(UTC)
        return self.plain("moment.minute", time=f"{utc:%H:%M}", **self._date(utc))

    def day(self, moment: str) -> str:
        """Write the day of a moment in ISO 8601."""
        return self.plain("moment.day", **self._date(datetime.fromisoformat(moment).astimezone(UTC)))

    def month(self, moment: str) -> str:
        """Write the month of a moment in ISO 8601; what is empty is an unknown time."""
        if not moment:
            return self.plain("moment.unknown")
        date = self._date(datetime.fromisoformat(moment).astimezone(UTC))
        return self.plain("index.month", month=date["month"], year=date["year"])

    def duration(self, seconds: float) -> str:
        """Write a duration, see :func:`.formatting.duration`."""
        return self._signed(formatting.duration(seconds))

    def distance(self, place: Place) -> str:
        """Write how far a cache is, over what, and from where."""
        how = [
            self.plain("environment.pings", n=place.pings),
            *(["TLS"] if place.tls else []),
            *([self.plain("environment.region", region=place.region)] if place.region else []),
        ]
        time = self.number(place.rtt_floor_ms or 0.0, "ms")
        return self.plain("environment.distance", time=time, how=", ".join(how))

    @cached_property
    def _texts(self) -> dict[str, str]:
        return dict(catalogue(self.language))

    @cached_property
    def _months(self) -> list[str]:
        return self._texts["moment.months"].split()

    def _date(self, utc: datetime) -> dict[str, object]:
        return {"day": utc.day, "month": self._months[utc.month - 1], "year": utc.year}

    def _signed(self, written: str) -> str:
        return written.translate(_FRENCH_SIGNS) if self.language == "fr" else written

    def _bound(self, text: str) -> str:
        """Keep signs on the line of the word that they belong to."""
        return _BINDING.sub("\u00a0", text)


ENGLISH = Wording("en")
"""What a page is in where nobody asked for another language."""
