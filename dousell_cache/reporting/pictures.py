"""A notebook's pictures on a page: smaller without loss, their place kept free while they load."""

import base64
import io

from bs4 import BeautifulSoup, Tag
from PIL import Image, UnidentifiedImageError

from .wording import Wording

_PNG = "data:image/png;base64,"
_EFFORT = 4  # of 6: the last two steps take a hundred times as long for one percent


def prepare(soup: BeautifulSoup, wording: Wording) -> None:
    """Give every picture a description, its size, and a shape that shimmers until it is there.

    Args:
        soup: what contains them.
        wording: of the page, for what is to be said of a picture that is not in the file.
    """
    for image in soup.find_all("img"):
        if not image.get("src"):
            alt = image.get("alt") or wording.plain("chapter.picture_no_alt")
            image.replace_with(wording.plain("chapter.picture_outside", alt=alt))
        else:
            image["alt"] = image.get("alt") or wording.plain("chapter.picture_unnamed")
            _let_shimmer(image)
            _shrink(image)


def _let_shimmer(image: Tag) -> None:
    # Neither lazy nor asynchronous: what was not scrolled to would be missing on paper and in pictures of the page.
    image["class"] = "skeleton chart"
    del image["style"]


def _shrink(image: Tag) -> None:
    """Turn a PNG into a WebP with the same pixels, if that is smaller; note its width and height."""
    source = str(image["src"])
    if not source.startswith(_PNG):
        return
    try:
        png = base64.b64decode(source.removeprefix(_PNG))
        with Image.open(io.BytesIO(png)) as picture:
            image["width"], image["height"] = str(picture.width), str(picture.height)
            webp = _webp(picture)
    except (ValueError, UnidentifiedImageError):
        return  # no picture to us; a browser may know better
    if len(webp) < len(png):
        image["src"] = f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def _webp(picture: Image.Image) -> bytes:
    written = io.BytesIO()
    picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "RGBA" else "RGB").save(
        written, format="webp", lossless=True, method=_EFFORT
    )
    return written.getvalue()
