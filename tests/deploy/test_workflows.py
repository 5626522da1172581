""".github/workflows: the steps that can run without GitHub."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.stack.settings import ROOT

ACTIONLINT = shutil.which("actionlint")


@pytest.mark.skipif(ACTIONLINT is None, reason="actionlint is not installed")
def test_actionlint_finds_nothing() -> None:
    done = subprocess.run([str(ACTIONLINT)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def jobs() -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / "deploy.yml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return found


def git(folder: Path, *arguments: str) -> str:
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", *name, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def commits(tmp_path: Path) -> tuple[str, str]:
    """Return an earlier commit and the newest one on main of the repository in `tmp_path`."""
    git(tmp_path, "init", "-q", "-b", "main")
    for words in ("earlier", "newest"):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", words)
    earlier, newest = git(tmp_path, "rev-parse", "HEAD~1", "HEAD").split()
    return earlier, newest


@pytest.mark.parametrize(
    ("attempt", "commit", "status"), [("1", 0, 0), ("2", 0, 1), ("2", 1, 0), ("3", 0, 1)]
)
def test_a_repeated_deployment_of_an_earlier_commit_is_refused(
    tmp_path: Path, commits: tuple[str, str], attempt: str, commit: int, status: int
) -> None:
    [step] = jobs()["newest"]["steps"]
    env = {"ATTEMPT": attempt, "COMMIT": commits[commit], "ORIGIN": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]],  # noqa: S607 -- the one there is
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert ("main is at" in done.stdout) == bool(status)


def test_nothing_is_deployed_before_that() -> None:
    found = jobs()
    for name in ("services", "dashboard"):
        assert "newest" in found[name]["needs"]
    assert "needs.newest.result == 'success'" in found["dashboard"]["if"]
    assert "!cancelled()" not in found["services"]["if"], "without it, a failed need skips the job"
