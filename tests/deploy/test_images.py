"""The images, built from deploy/compose/Dockerfile without Docker: size, content, start.

This needs root, buildah and mmdebstrap (Debian's packages), ten minutes, and 5 GB below
.state/cache/images (IMAGES names another folder). The base is made of Debian's packages, like
debian:bookworm-slim.
"""

import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.test_compose import COMPOSE, FOLDER, HOST, PARTS, filled
from tools.stack.settings import ROOT, SERVICES

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.alone,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(
        os.geteuid() != 0 or not (shutil.which("buildah") and shutil.which("mmdebstrap")),
        reason="needs root, buildah and mmdebstrap",
    ),
]
IMAGES: Final = Path(os.environ.get("IMAGES", ROOT / ".state" / "cache" / "images"))
BASE: Final = "localhost/parking-base:bookworm"
LIMIT_MB: Final = {"detector": 400}
USUAL_LIMIT_MB: Final = 200
BUILD_TOOLS: Final = ("gcc", "cc", "make", "pip", "pip3", "git", "node", "npm")


def buildah(*arguments: str | Path) -> str:
    command = ["buildah", "--root", IMAGES / "storage", "--runroot", IMAGES / "run", *arguments]
    env = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr[-2000:])
    return done.stdout.strip()


def base() -> None:
    """Build a minimal Debian image, once."""
    if "parking-base" in buildah("images", "--format", "{{.Name}}"):
        return
    IMAGES.mkdir(parents=True, exist_ok=True)
    archive = IMAGES / "base.tar"
    subprocess.run(
        ["mmdebstrap", "--variant=minbase", "bookworm", archive],  # noqa: S607 -- the one there is
        check=True,
        capture_output=True,
    )
    container = buildah("from", "scratch")
    buildah("add", container, archive, "/")
    buildah("commit", container, BASE)
    buildah("rm", container)


@cache
def build(name: str) -> str:
    """Build an image and return its name. PIP_CERT is the authority of a proxy that pip has to
    trust."""
    base()
    authority = os.environ.get("PIP_CERT")
    mounts = []
    if authority:
        (IMAGES / "pip.conf").write_text("[global]\ncert = /mnt/ca.crt\n", "utf-8")
        mounts = ["-v", f"{authority}:/mnt/ca.crt:ro", "-v", f"{IMAGES}/pip.conf:/etc/pip.conf:ro"]
    part = next(one for one in PARTS.values() if one["image"].startswith(f"smart-parking-{name}:"))
    arguments = [
        f"--build-arg={key}={value}"
        for key, value in {"BASE": BASE, **part["build"]["args"]}.items()
    ]
    tag = f"localhost/smart-parking-{name}"
    more = ("--layers", "--format", "docker", "--ignorefile", ".dockerignore", "-t", tag)
    buildah("bud", *more, *mounts, *arguments, "-f", FOLDER / "Dockerfile", ".")
    return tag


def config(tag: str) -> dict[str, Any]:
    inspected = json.loads(buildah("inspect", "--type", "image", tag))
    found: dict[str, Any] = inspected["Docker"]["config"]
    return found


@contextmanager
def root_of(tag: str) -> Iterator[Path]:
    container = buildah("from", tag)
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("rm", container)


def compressed_mb(root: Path) -> float:
    """Return the size as a registry counts it, with tar and gzip."""
    size, squeeze = 0, zlib.compressobj(6)
    command = ["tar", "--create", "--directory", str(root), "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as archive:
        assert archive.stdout is not None
        while block := archive.stdout.read(1 << 20):
            size += len(squeeze.compress(block))
    return (size + len(squeeze.flush())) / 1e6


@pytest.mark.parametrize("name", [*SERVICES, "tools"])
def test_an_image_is_small_and_has_no_root_and_no_build_tools(name: str, record_property) -> None:
    tag = build(name)
    assert config(tag)["User"] == "10001:10001"
    assert config(tag)["Healthcheck"]["Test"][0] == "CMD"
    with root_of(tag) as root:
        folders = ("usr/bin", "usr/local/bin", "bin", "opt/packages/bin")
        assert [t for t in BUILD_TOOLS for f in folders if (root / f / t).exists()] == []
        assert not [*(root / "opt" / "packages").glob("setuptools*")]
        assert not [*(root / "app").rglob("__pycache__")]
        size_mb = compressed_mb(root)
    record_property(f"{name}, MB compressed", round(size_mb))
    assert size_mb < LIMIT_MB.get(name, USUAL_LIMIT_MB)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Return the folder /run/secrets as our containers see it, with all secrets."""
    env = {"PATH": os.environ["PATH"], "TO": str(tmp_path)}
    subprocess.run([FOLDER / "secrets", HOST], env=env, check=True, capture_output=True)
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    for name, one in COMPOSE["secrets"].items():
        shutil.copy(tmp_path / one["file"], folder / name)
        owner = (tmp_path / one["file"]).stat()
        os.chown(folder / name, owner.st_uid, owner.st_gid)
    return folder


# Without Kafka analytics ends, and its supervisor starts it again.
@pytest.mark.parametrize("service", [name for name in SERVICES if name != "analytics"])
def test_a_service_starts_with_nothing_but_its_image(
    service: str, secrets: Path, tmp_path: Path
) -> None:
    tag = build(service)
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o750)
    os.chown(keys, 10001, 10001)
    variables = [
        *config(tag)["Env"],
        *(f"{name}={filled(str(v))}" for name, v in PARTS[service]["environment"].items()),
    ]
    [module], health = config(tag)["Cmd"], config(tag)["Healthcheck"]["Test"][-1]
    env = {
        "PATH": os.environ["PATH"],
        "MODULE": module,
        "HEALTH": health,
        "LOG": str(tmp_path / "log"),
    }
    script = ROOT / "tests" / "support" / "start_image"
    with root_of(tag) as root:
        command = ["unshare", "-mnpf", script, root, secrets, keys, *variables]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
