"""How a kernel is reached and kept in its place: over sockets in a folder of its own, with no settings of the user's.

Over TCP, kernels that start at the same time can be given the same port, and everybody on the machine can connect.
"""

import os
import sys
from pathlib import Path

from traitlets.config import Config

_SOCKET_LIMIT = 100  # a unix socket's whole path: 108 bytes on Linux, 104 on macOS
_SUFFIX = len("-10")
_SHUTDOWN_SECONDS = 4.0  # half of it politely, half after SIGTERM; then SIGKILL


def connection(folder: Path, number: int) -> Config:
    """Return the kernel manager's settings.

    Args:
        folder: where the connection file and the sockets go, an absolute path. Where there are no such sockets
            (Windows), or the path is too long for one, the kernel is reached over TCP.
        number: tells the kernels of one folder apart.
    """
    settings = Config(KernelManager={"shutdown_wait_time": _SHUTDOWN_SECONDS})
    # By this file, which its command line names, a kernel can be told from those of others.
    settings.KernelManager.connection_file = str(folder / f"k{number}.json")
    sockets = folder / f"k{number}"
    if sys.platform != "win32" and len(os.fsencode(sockets)) + _SUFFIX <= _SOCKET_LIMIT:
        settings.KernelManager.update({"transport": "ipc", "ip": str(sockets)})
    return settings


def variables(folder: Path) -> dict[str, str]:
    """Return the environment variables that keep a kernel's own files in a folder, and the user's settings out."""
    return {
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_CONFIG_DIR": str(folder / "settings"),
        "IPYTHONDIR": str(folder / "settings"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
