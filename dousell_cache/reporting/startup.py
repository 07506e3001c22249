"""What our own processes leave out to start sooner."""

import sys


def skip_slow_imports() -> None:
    """Spare this process 1.4 s, which jsonschema, for nbformat, takes to compile a grammar of international addresses.

    To be called before nbformat is imported, and only in a process that is ours: it is then without that check, which
    is optional and which no notebook needs.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # None is how a module is left out
