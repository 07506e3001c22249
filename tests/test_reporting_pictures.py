"""A notebook's pictures on a page."""

import base64
import io

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from dousell_cache.reporting import pictures
from dousell_cache.reporting.wording import ENGLISH, Wording


def png(mode: str = "RGB") -> bytes:
    """Return a drawing as a PNG that is not as small as it could be."""
    drawn = Image.new(mode, (240, 120), "white")
    for x in range(0, 240, 3):
        drawn.putpixel((x, (x * 7) % 120), (244, 196, 48) if mode == "RGB" else (244, 196, 48, 90))
    written = io.BytesIO()
    drawn.save(written, format="png", compress_level=1)
    return written.getvalue()


def prepared(html: str, wording: Wording = ENGLISH) -> BeautifulSoup:
    """Return HTML with its pictures prepared."""
    soup = BeautifulSoup(html, "html.parser")
    pictures.prepare(soup, wording)
    return soup


def image(data: bytes) -> str:
    """Return an image tag that carries a PNG."""
    return f'<img alt="2 ms" style="width:9px" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_is_smaller_and_the_same(mode: str) -> None:
    """Not a pixel differs, what is seen through stays so, and its place is kept by its width and height."""
    (tag,) = prepared(image(png(mode))).find_all("img")
    head, _, data = str(tag["src"]).partition(",")
    assert head == "data:image/webp;base64"
    webp = base64.b64decode(data)
    assert len(webp) < len(png(mode))
    with Image.open(io.BytesIO(webp)) as after, Image.open(io.BytesIO(png(mode))) as before:
        assert after.convert("RGBA").tobytes() == before.convert("RGBA").tobytes()
    assert (tag["width"], tag["height"], tag["alt"]) == ("240", "120", "2 ms")
    assert tag["class"] == "skeleton chart"
    assert "style" not in tag.attrs


def test_a_picture_that_is_none_is_left_alone() -> None:
    """What no program of ours can read may be read by the browser."""
    (tag,) = prepared(image(b"no picture")).find_all("img")
    assert tag["src"] == f"data:image/png;base64,{base64.b64encode(b'no picture').decode()}"


def test_a_picture_without_words_gets_some() -> None:
    """In the page's language, a picture says that nobody described it, or that it is not in the file."""
    (undescribed,) = prepared('<img src="data:image/gif;base64,AA">').find_all("img")
    assert undescribed["alt"] == "A picture that the notebook does not describe"
    assert prepared("<img>", Wording("fr")).get_text() == (
        "[image omise, elle n'est pas dans ce fichier : sans description]"
    )
