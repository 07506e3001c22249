"""``jupyter nbconvert --to dousell``: any notebook as a page of our look, in one file that needs nothing from outside.

An executed notebook that lies in a run's folder shows what the run said of its environment, with the same numbers as
the run's own page; any other shows itself. Registered as an entry point of ``nbconvert.exporters``, so that it is there
wherever the package is installed, and needs no data files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from traitlets import Enum, default

from ..languages import LANGUAGES
from . import prose
from .record import SCHEMA, VERSION, Results
from .sections import Section, section
from .series import trends
from .templating import FOLDER, templates
from .wording import Wording


@dataclass(frozen=True)
class Ran:
    """The run that a notebook belongs to.

    Args:
        results: the run's.
        section: the notebook's environment.
    """

    results: Results
    section: Section


class DousellExporter(HTMLExporter):
    """Exports a notebook as one accessible HTML file that works offline."""

    export_from_notebook = "Dousell report"
    language = Enum(LANGUAGES, default_value="en", help="of the page: en or fr").tag(config=True)

    @default("template_name")
    def _ours(self) -> str:
        return prose.TEMPLATE

    @default("extra_template_basedirs")
    def _where_it_is(self) -> list[str]:
        return [str(FOLDER)]

    @default("exclude_anchor_links")
    def _no_anchors(self) -> bool:
        return True

    def from_notebook_node(  # type: ignore[override] # nbconvert says a node and returns a text
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Return the page of a notebook, and nbconvert's own bookkeeping.

        Args:
            nb: the notebook.
            resources: nbconvert's; its ``metadata`` tells the file's name and folder.
            **kw: nbconvert's.
        """
        wording = Wording(self.language)
        fragment, kept = super().from_notebook_node(prose.as_shown(nb, wording), resources, **kw)
        metadata = kept.get("metadata", {})
        name, folder = str(metadata.get("name") or "notebook"), Path(str(metadata.get("path") or "."))
        shown = prose.fit_in(fragment, name, wording, top=2)
        page = templates(self.language).get_template("notebook.html.j2")
        html = page.render(
            name=name,
            title=shown.title or name,
            # Made inert by fit_in; what remains are tags, which is what a notebook is here for.
            content=Markup(shown.html),  # noqa: S704
            notes=_notes(nb),
            ran=_ran(folder, wording),
        )
        return html, kept


def _notes(notebook: NotebookNode) -> dict[str, str]:
    """Return what papermill and a run noted in a notebook: environment, moment, seconds, status, reason."""
    own, theirs = notebook.metadata.get("dousell_cache", {}), notebook.metadata.get("papermill", {})
    executed = any(cell.get("execution_count") for cell in notebook.cells)
    return {
        "environment": str(theirs.get("parameters", {}).get("environment") or ""),
        "started": str(theirs.get("start_time") or ""),
        "seconds": str(theirs.get("duration") or ""),
        "status": str(own.get("status") or ("ok" if executed else "not_run")),
        "reason": str(own.get("reason") or ""),
    }


def _ran(folder: Path, wording: Wording) -> Ran | None:
    """Return the run whose ``notebooks/<environment>`` a folder is; None where it is no such folder."""
    run, environment = folder.resolve().parent.parent, folder.resolve().name
    try:
        results = msgspec.json.decode((run / "results.json").read_bytes(), type=Results)
    except (OSError, msgspec.MsgspecError):
        return None
    record = results.parts.get(environment)
    if record is None or (results.schema, results.version) != (SCHEMA, VERSION):
        return None
    return Ran(results, section(environment, record, run, wording, trends(results, run.parent), chapters=False))
