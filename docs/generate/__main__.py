"""Write every made page and picture: ``python -m docs.generate``."""

from pathlib import Path

from . import arrows, commands, fields, metrics, names, states

ROOT = Path(__file__).parents[2]


def made() -> dict[str, str]:
    """Return what every made file holds, by its path in the repository."""
    reference = {"cli": commands.page(), "fields": fields.page(), "metrics": metrics.page()}
    pictures = {"arrows": arrows.drawn(), **states.pictures()}
    return (
        {f"docs/reference/{name}.md": text for name, text in reference.items()}
        | {f"docs/reference/api/{name}.md": text for name, text in names.pages().items()}
        | {f"docs/images/{name}.svg": text for name, text in pictures.items()}
    )


def main() -> None:
    """Write them."""
    for name, text in made().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
