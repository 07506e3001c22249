"""The catalogue: both languages say everything, and nothing is said beside it."""

import re
import string
from pathlib import Path
from typing import get_args

import pytest

import dousell_cache
from dousell_cache.dousell import receipts
from dousell_cache.languages import LANGUAGES, Language, catalogue, section
from dousell_cache.measure.kpis import FIGURES, KPIS

PACKAGE = Path(dousell_cache.__file__).parent
TEMPLATES = sorted((PACKAGE / "reporting" / "templates").glob("*.j2"))
TAG = re.compile(r"</?([a-z]+)")
# Names that are the same in every language.
NAMES = {"Dousell", "P50", "P95", "results.json", "samples.parquet", "status.json", "dousell-cache report", ".ipynb"}
FILES = {"index.html"}  # names of files that look like keys
OF_TENANTS = ("payment.", "visit.")  # said by dousell/receipts.py, a status each
EMPTY = {"language.other"}  # there is nothing to say of other languages on an English page


def fields(text: str) -> set[str]:
    """Return the placeholders of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_keys() -> None:
    """No text is missing in one of them."""
    assert set(catalogue("en")) == set(catalogue("fr"))


@pytest.mark.parametrize("key", sorted(catalogue("en")))
def test_a_text_says_the_same_in_both(key: str) -> None:
    """Placeholders and tags of a text are those of its counterpart, and neither is empty."""
    english, french = catalogue("en")[key], catalogue("fr")[key]
    assert fields(english) == fields(french)
    assert sorted(TAG.findall(english)) == sorted(TAG.findall(french))
    assert (english and french) or key in EMPTY
    assert '"' not in english + french, "it would end an attribute"


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    """A key in a template or module is in the catalogue, and the catalogue has no text that nobody says."""
    sources = [*TEMPLATES, *(PACKAGE / "reporting").glob("*.py"), *(PACKAGE / "cli").glob("*.py")]
    code = "\n".join(path.read_text() for path in sources)
    known = set(catalogue("en"))
    quoted = set(re.findall(r"""["']([a-z_]+\.[a-z0-9_]*)(?=["'{])""", code))  # whole, or as far as it is written down
    heads = {key.partition(".")[0] for key in known}
    wrong = {key for key in quoted if key.partition(".")[0] in heads and not any(k.startswith(key) for k in known)}
    assert wrong - FILES == set()
    begun = tuple(key for key in quoted if key.endswith((".", "_")))
    assert {key for key in known if key not in quoted and not key.startswith((*begun, *OF_TENANTS))} == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_words_of_its_own(path: Path) -> None:
    """What a page says, in text or in an attribute that is read out, comes from the catalogue."""
    text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<style>.*?</style>", " ", path.read_text(), flags=re.DOTALL)
    spoken = re.findall(r'(?:aria-label|title|alt|data-label|data-told)="([^"]*)"', text)
    for said in [re.sub(r"<[^>]*>", " ", text), *spoken]:
        for name in NAMES:
            said = said.replace(name, " ")  # noqa: PLW2901 - what is left over counts
        assert re.findall(r"[^\W\d_]{2,}", said) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_has_a_name(language: Language) -> None:
    """Whatever is measured is called something, and our targets are called what their file calls them."""
    names = section(language, "figure")
    assert set(FIGURES) <= set(names)
    if language == "en":
        assert {name: kpi.label for name, kpi in KPIS.items()} == {name: names[name] for name in KPIS}


@pytest.mark.parametrize("language", LANGUAGES)
def test_tenants_and_visitors_are_told_in_both(language: Language) -> None:
    """Each status has its sentence in each language; the French one is what it says unasked."""
    for status in get_args(receipts.PaymentStatus):
        assert receipts.Receipt(status).message_in(language) == catalogue(language)[f"payment.{status}"]
        assert receipts.Receipt(status).message == catalogue("fr")[f"payment.{status}"]
    for status in get_args(receipts.VisitStatus):
        assert receipts.Booking(status).message_in(language) == catalogue(language)[f"visit.{status}"]
        assert receipts.Booking(status).message == catalogue("fr")[f"visit.{status}"]
    assert receipts.Receipt("paid").message_in("en") == "Payment made, thank you"
