"""How a kernel is reached."""

import sys
from pathlib import Path

import pytest

from dousell_cache.reporting import kernels


def test_a_kernel_is_reached_over_sockets_in_its_folder() -> None:
    """No port is chosen, so none can be taken."""
    settings = kernels.connection(Path("/run/x"), 0).KernelManager
    assert (settings.transport, settings.ip) == ("ipc", "/run/x/k0")


@pytest.mark.parametrize(("platform", "folder"), [("linux", "/" + "x" * 100), ("win32", "/run")])
def test_where_sockets_cannot_be_it_is_tcp(monkeypatch: pytest.MonkeyPatch, platform: str, folder: str) -> None:
    """Too long a path, or a system without such sockets, leaves the default transport."""
    monkeypatch.setattr(sys, "platform", platform)
    assert "transport" not in kernels.connection(Path(folder), 0).KernelManager
