"""The ``.env`` file: read by the command line and the notebooks, never by the library."""

import sys
from importlib.util import find_spec
from pathlib import Path

from .errors import installing


def load_env_file() -> None:
    """Read the nearest ``.env``, from the working directory upwards; what is already set stays as it is."""
    if not find_spec("dotenv"):
        if Path(".env").exists():
            print(f".env is not read, for want of python-dotenv: {installing('lab')}", file=sys.stderr)  # noqa: T201
        return
    from dotenv import find_dotenv, load_dotenv

    load_dotenv(find_dotenv(usecwd=True))
