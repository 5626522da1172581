"""deploy/aws/instance: what the workflow `Deploy` runs, tested with AWS's own client and moto's
server."""

import hashlib
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.support.aws import REGION, Aws, Stack, deploy, server, template
from tools.stack.checks import HOST
from tools.stack.settings import ROOT

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not shutil.which("aws"), reason="needs AWS's command line"),
]
INSTANCE: Final = ROOT / "deploy" / "aws" / "instance"
VERSION: Final = "0123456789ab"
BUCKET: Final = "releases"  # not the stack's: moto knows no conditions in its policy


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with server(tmp_path_factory.mktemp("moto") / "log") as aws:
        yield deploy(aws, template(), GitHubRepository="owner/name")


def environment(aws: Aws, **more: str) -> dict[str, str]:
    known = {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
    }
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **known, **more}


def run(*command: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(command), env=env, capture_output=True, text=True, check=False)


@contextmanager
def github(bearer: str) -> Iterator[str]:
    """Serve GitHub's address for a job's OIDC token, which requires this secret."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == f"bearer {bearer}"
            wanted = self.path.endswith("&audience=sts.amazonaws.com")
            self.send_response(200 if known and wanted else 401)
            self.end_headers()
            self.wfile.write(b'{"value": "header.payload.signature"}')

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{serving.server_port}/token?api-version=2"
        serving.shutdown()


@pytest.mark.parametrize(("secret", "works"), [("right", True), ("wrong", False)])
def test_a_job_becomes_the_role_by_its_token_alone(stack: Stack, secret: str, works: bool) -> None:
    role = stack.aws.client("iam").get_role(RoleName=stack.ids["PublishRole"])["Role"]["Arn"]
    with github("right") as url:
        env = environment(
            stack.aws,
            AWS_PUBLISH_ROLE=role,
            GITHUB_RUN_ID="17",
            ACTIONS_ID_TOKEN_REQUEST_URL=url,
            ACTIONS_ID_TOKEN_REQUEST_TOKEN=secret,
        )
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        done = run(INSTANCE / "as-role", "env", env=env)
    assert (done.returncode == 0) == works, done.stderr
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert bool(seen.get("AWS_SESSION_TOKEN")) == works
    assert "ACTIONS_ID_TOKEN_REQUEST_TOKEN" not in seen


def test_only_a_job_on_main_of_the_repository_becomes_the_role() -> None:
    role = template()["Resources"]["PublishRole"]["Properties"]["AssumeRolePolicyDocument"]
    [trusted] = role["Statement"]
    conditions = trusted["Condition"]["StringEquals"]
    [subject] = [v for k, v in conditions.items() if k.endswith(":sub")]
    assert subject == {"Fn::Sub": "repo:${GitHubRepository}:ref:refs/heads/main"}
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text("utf-8"))
    job = workflow["jobs"]["services"]
    assert "environment" not in job, "GitHub would then name the environment instead of the branch"
    assert job["permissions"] == {"contents": "read", "id-token": "write"}


def test_an_older_commit_whose_ci_runs_again_is_not_deployed() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text("utf-8"))
    for job in workflow["jobs"].values():
        assert "github.event.workflow_run.head_sha == github.sha" in job["if"].split(" && ")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a commit with what `release` packs. Its Python downloads nothing: one wheel, one
    archive."""
    for name in ("as-role", "install", "ready", "release", "update"):
        to = tmp_path / "deploy" / "aws" / "instance" / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(INSTANCE / name, to)
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "package.json").touch()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t.example", "-C", str(tmp_path)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "One"]):
        subprocess.run([*git, *command], check=True)
    (tmp_path / "dashboard" / "dist").mkdir()
    (tmp_path / "dashboard" / "dist" / "index.html").write_text("page", "utf-8")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        "#!/bin/bash\nfor last; do :; done\ncase $* in\n"
        '*--dest*) while [ "$1" != --dest ]; do shift; done; mkdir -p "$2"; touch "$2/a.whl" ;;\n'
        '*servers*) mkdir "$last"; touch "$last/a.jar" ;;\nesac\n',
        "utf-8",
    )
    python.chmod(0o755)
    return tmp_path


def test_a_release_is_complete_before_it_is_current(stack: Stack, checkout: Path) -> None:
    s3 = stack.aws.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    script = checkout / "deploy" / "aws" / "instance" / "release"
    done = run(script, BUCKET, VERSION, env=environment(stack.aws))
    assert done.returncode == 0, done.stderr

    def stored(name: str) -> bytes:
        body: bytes = s3.get_object(Bucket=BUCKET, Key=f"releases/{name}")["Body"].read()
        return body

    assert stored("current").decode() == VERSION
    assert stored("bootstrap") == (INSTANCE / "update").read_bytes()
    archive = stored(f"{VERSION}.tar.gz")
    assert stored(f"{VERSION}.sha256").split()[0].decode() == hashlib.sha256(archive).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        names = set(packed.getnames())
    assert {
        "./dashboard/dist/index.html",
        "./deploy/aws/instance/install",
        "./kafka/a.jar",
        "./wheels/a.whl",
    } <= names
    when = {
        one["Key"].split("/")[1]: one["LastModified"]
        for one in s3.list_objects_v2(Bucket=BUCKET, Prefix="releases/")["Contents"]
    }
    assert when["current"] == max(when.values())


def test_the_backend_takes_a_release_by_ssm(stack: Stack) -> None:
    done = run(
        INSTANCE / "rollout", "parking", VERSION, "parking-backend", env=environment(stack.aws)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{VERSION} is running on parking-backend\n"
    [command] = stack.aws.client("ssm").list_commands(InstanceId=stack.ids["Backend"])["Commands"]
    assert command["DocumentName"] == "parking-update"
    assert command["Parameters"] == {"Version": [VERSION]}


def test_the_document_runs_only_the_update() -> None:
    content = template()["Resources"]["UpdateDocument"]["Properties"]["Content"]
    assert content["parameters"]["Version"]["allowedPattern"] == "^[A-Za-z0-9._-]{1,60}$"
    [step] = content["mainSteps"]
    _, *starts, last = step["inputs"]["runCommand"]
    # Twice: the first may join a run of the timer that has read the release before.
    assert starts == ["systemctl start parking-update.service"] * 2
    assert last.endswith('/instance/ready "{{ Version }}"')
    assert (INSTANCE / "units" / "parking-update.service").exists()
    assert os.access(INSTANCE / "ready", os.X_OK)


def test_negative_control_a_rollout_without_an_instance_or_with_a_failure_fails(
    stack: Stack, tmp_path: Path
) -> None:
    env = environment(stack.aws)
    nobody = run(INSTANCE / "rollout", "parking", VERSION, "parking-nobody", env=env)
    assert nobody.returncode == 1
    assert "no instance named parking-nobody" in nobody.stderr
    real = shutil.which("aws")
    # What SSM reports when `ready` has failed; moto knows only success.
    (tmp_path / "aws").write_text(
        f'#!/bin/sh\n[ "$2" = list-commands ] && echo Failed 1 1 || exec {real} "$@"\n', "utf-8"
    )
    (tmp_path / "aws").chmod(0o755)
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    failed = run(INSTANCE / "rollout", "parking", VERSION, "parking-backend", env=env)
    assert failed.returncode == 1
    assert "Failed, 1 of 1 failed" in failed.stderr
