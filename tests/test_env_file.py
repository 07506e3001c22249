"""The `.env` file: who reads it, and that `.env.example` documents every variable."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import dousell_cache

PACKAGE = Path(dousell_cache.__file__).parent
EXAMPLE = PACKAGE.parent / ".env.example"
OURS = re.compile(r"(DOUSELL|UPSTASH|KV_REST|SUPABASE|VERCEL|REDIS_URL|VALKEY_URL)[A-Z_]*")
INTERNAL = {"DOUSELL_CACHE_RESULTS", "UPSTASH_EMULATOR_TOKEN"}  # from one of our processes to another
PRINTED = {"SUPABASE_SERVICE_ROLE_KEY"}  # by `local`, for the example application, which alone reads it


def variables_in_code() -> set[str]:
    """Return the variables that string constants of the package name, alone or as `NAME=value`."""
    trees = (ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py"))
    constants = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in constants if isinstance(text, str) and OURS.fullmatch(text)}


def test_every_variable_is_documented() -> None:
    """What the code reads and what `.env.example` lists is the same set."""
    documented = set(re.findall(r"^#([A-Z_]+)=", EXAMPLE.read_text("utf-8"), re.MULTILINE))
    assert documented == variables_in_code() - INTERNAL - PRINTED


def test_the_command_reads_env_and_the_library_does_not(tmp_path: Path) -> None:
    """A malformed REDIS_URL in `.env` stops `dousell-cache check`, and `connect()` never sees it."""
    (tmp_path / ".env").write_text("REDIS_URL=http://nowhere\n")
    command = [sys.executable, "-m", "dousell_cache.cli", "check"]
    check = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert check.returncode == 2
    assert "REDIS_URL must start with" in check.stderr
    library = "import os; from dousell_cache import detect; print(detect(os.environ).name)"
    found = subprocess.run([sys.executable, "-c", library], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "local"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A variable that is set keeps its value."""
    (tmp_path / ".env").write_text("VALKEY_URL=http://file\n")
    command = (
        "import os; from dousell_cache.env_file import load_env_file; load_env_file(); print(os.environ['VALKEY_URL'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"VALKEY_URL": "redis://environment"},
    )
    assert found.stdout.strip() == "redis://environment"
