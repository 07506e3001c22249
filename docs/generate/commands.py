"""The page of the command line, from its own parser."""

import argparse
from collections.abc import Iterator

from dousell_cache.cli import parser

INTRODUCTION = """\
# Every command and option

Made from the command's own parser: `dousell-cache COMMAND --help` says the same. What each command is for and what it
prints has a page of its own, see [the README](../../README.md#further).
"""


def page() -> str:
    """Return ``docs/reference/cli.md``."""
    top = parser()
    parts = [INTRODUCTION, _sentence(top.epilog), *(section(name, one) for name, one in commands(top))]
    return "\n".join(parts)


def commands(
    top: argparse.ArgumentParser, prefix: str = "dousell-cache"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command by its full name, those of commands that have commands of their own too."""
    for action in top._actions:  # noqa: SLF001 - argparse has no public way to list what it was given
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            for name, inner in action.choices.items():
                yield f"{prefix} {name}", inner
                yield from commands(inner, f"{prefix} {name}")


def section(name: str, command: argparse.ArgumentParser) -> str:
    """Return what the page says of one command."""
    rows = [_row(action) for action in options(command)]
    table = ["| option | default | what it does |", "|---|---|---|", *rows] if rows else []
    parts = [f"## `{name}`", "", _sentence(command.description), "\n".join(table), "", _sentence(command.epilog)]
    return "\n".join(parts)


def options(command: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return a command's options and arguments, without its help and its own commands."""
    hidden = (argparse._HelpAction, argparse._SubParsersAction)  # noqa: SLF001 - argparse has no public names for them
    return [action for action in command._actions if not isinstance(action, hidden)]  # noqa: SLF001 - likewise


def _row(action: argparse.Action) -> str:
    name = ", ".join(f"`{option}`" for option in action.option_strings) or f"`{_value(action)}`"
    takes = f" `{_value(action)}`" if action.option_strings and action.nargs != 0 else ""
    return f"| {name}{takes} | {_default(action)} | {_cell(action.help, action)} |"


def _value(action: argparse.Action) -> str:
    if action.choices and not action.metavar:
        return "|".join(map(str, action.choices)).replace("|", "/")
    shown = action.metavar or action.dest
    return (" ".join(shown) if isinstance(shown, tuple) else str(shown)).strip()


def _default(action: argparse.Action) -> str:
    if action.default in (None, False, argparse.SUPPRESS) or action.default == [] or action.nargs == 0:
        return ""
    return f"`{_text(action.default)}`"


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _cell(text: str | None, action: argparse.Action) -> str:
    values = {"prog": "dousell-cache", **vars(action)}
    return " ".join(((text or "") % values).split()).replace("|", "\\|")


def _sentence(text: str | None) -> str:
    return f"{' '.join((text or '').split())}\n" if text else ""
