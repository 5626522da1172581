"""The stack's pure parts: back-off, settings, ports, log, passwords, topics for Strimzi."""

import io
import json
import socket
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from parking.access.secret_files import PasswordFile, made_once
from parking.core.errors import SettingsError
from parking.core.topics import TOPICS
from tools.simulator.footage import load
from tools.simulator.pace import INTERVAL_MS
from tools.stack import demo, jars, services, status
from tools.stack.backoff import SETTINGS_FAULT, Backoff
from tools.stack.checks import HOST, free_ports, require_free
from tools.stack.console import Console
from tools.stack.errors import StackError
from tools.stack.pids import Lock
from tools.stack.settings import PORTS, SERVICES, Paths, StackSettings
from tools.stack.strimzi import manifests


def test_waits_double_up_to_the_longest_and_then_it_is_given_up() -> None:
    backoff = Backoff(first_s=1.0, longest_s=5.0, tries=5)
    assert [backoff.after_exit(1, 0.1) for _ in range(6)] == [1.0, 2.0, 4.0, 5.0, 5.0, None]


def test_a_long_run_resets_the_waits() -> None:
    backoff = Backoff(first_s=1.0, tries=3, calm_s=10.0)
    assert [backoff.after_exit(1, lived) for lived in (0.0, 0.0, 11.0, 0.0)] == [1.0, 2.0, 1.0, 2.0]


def test_wrong_settings_are_not_tried_again() -> None:
    assert Backoff().after_exit(SETTINGS_FAULT, 100.0) is None


@given(st.lists(st.floats(0, 29), min_size=9, max_size=40))
def test_a_process_that_never_lives_is_always_given_up(lives_s: list[float]) -> None:
    backoff = Backoff()
    assert [backoff.after_exit(-9, lived) for lived in lives_s][backoff.tries] is None


def test_settings_have_the_documented_defaults() -> None:
    settings = StackSettings.from_env({})
    assert settings.services == SERVICES
    assert settings.ports == PORTS
    assert settings.paths.state.name == ".state"
    assert settings.paths.cache == settings.paths.state / "cache"
    assert settings.kafka_heap_mb == 512


def test_every_bad_setting_is_reported_at_once() -> None:
    bad = {"PORT_KAFKA": "x", "SERVICES": "ingest,cat", "LOG_FORMAT": "xml", "FOOTAGE": "/no/such"}
    bad |= {"DEVICES": "4"}
    with pytest.raises(SettingsError) as caught:
        StackSettings.from_env(bad)
    assert [p.split("=")[0].split(":")[0] for p in sorted(caught.value.problems)] == sorted(bad)


@pytest.mark.parametrize(
    ("value", "services"), [("none", ()), ("ingest,detector", ("ingest", "detector"))]
)
def test_services_can_be_chosen(value: str, services: tuple[str, ...]) -> None:
    assert StackSettings.from_env({"SERVICES": value}).services == services


def test_devices_of_the_demo_site_can_run_the_firmware_itself(tmp_path: Path) -> None:
    def players(devices: str) -> dict[str, list[str]]:
        settings = StackSettings.from_env({"STATE": str(tmp_path), "DEVICES": devices})
        made = demo.parts(settings, demo.FOOTAGE)
        return {part.name: [str(word) for word in part.command] for part in made}

    assert list(players("unix:0")) == ["demo"]
    alone = players("unix:0")["demo"]
    assert "--in-step" not in alone
    paced = ["--interval-ms", "5000", "--hold", "2"]
    for command in (alone, players("unix:4")["boards"]):
        assert paced == command[command.index("--interval-ms") :][:4], "all show the same story"
    two = players("unix:2")
    assert two["boards"][-2:] == ["demo/gate-1", "demo/north"]
    assert two["demo"][-3:] == ["--in-step", "--only", "south"]
    assert list(players("unix:4")) == ["boards"]
    assert players("unix:4")["boards"][-1] == "demo/board-4", "more than the site has"


def test_a_service_gets_this_stacks_servers_whatever_the_caller_had(tmp_path: Path) -> None:
    caller = {"STATE": str(tmp_path), "AWS_PROFILE": "work", "KAFKA_BOOTSTRAP": "prod:9092"}
    settings = StackSettings.from_env(caller | {"DETECTOR_SKIP": "off", "PORT_KAFKA": "19092"})
    env = services.env_for("persister", settings)
    assert env["KAFKA_BOOTSTRAP"] == f"{HOST}:19092"
    assert env["HTTP_PORT"] == "8084"
    assert "AWS_PROFILE" not in env
    assert env["DETECTOR_SKIP"] == "off"
    assert made_once(tmp_path / "secrets" / "postgres_parking") in env["DATABASE_URL"]


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port} \(PORT_S3\) is in use.*PORT_S3=\d+"):
            require_free({"s3": port, "mqtt": free_ports(1)[0]})
    require_free({"s3": port})


def test_the_console_prefixes_lines_and_keeps_them(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(tmp_path, "text", out)
    console.line("ingest", "hello", quiet=False)
    console.line("kafka", "chatter", quiet=True)
    console.line("kafka", "12:00:00 ERROR Log: disk full", quiet=True)
    console.close()
    assert out.getvalue().splitlines() == [
        "ingest    | hello",
        "kafka     | 12:00:00 ERROR Log: disk full",
    ]
    assert (tmp_path / "kafka.log").read_text("utf-8").splitlines()[0] == "chatter"


def test_the_console_writes_json_on_request(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(tmp_path, "json", out)
    console.line("ingest", '{"message": "mine"}', quiet=False)
    console.line("mqtt", "plain", quiet=False)
    console.close()
    mine, plain = (json.loads(line) for line in out.getvalue().splitlines())
    assert mine == {"message": "mine"}
    assert (plain["service"], plain["message"]) == ("mqtt", "plain")


def test_a_log_that_cannot_be_written_is_reported_once_and_the_lines_are_shown(
    tmp_path: Path,
) -> None:
    out = io.StringIO()
    console = Console(tmp_path, "text", out)
    (tmp_path / "ingest.log").mkdir()
    console.line("ingest", "first", quiet=False)
    console.line("ingest", "second", quiet=False)
    console.close()
    assert out.getvalue().count("log lines are lost") == 1
    assert "first" in out.getvalue()
    assert "second" in out.getvalue()


def test_one_stack_a_folder(tmp_path: Path) -> None:
    first, second = Lock(tmp_path), Lock(tmp_path)
    first.take()
    with pytest.raises(StackError, match="already runs here"):
        second.take()
    first.release()
    second.take()
    second.release()
    assert second.holder() is None


def test_status_while_it_makes_ready_tells_of_no_earlier_run(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path / "cache")
    assert next(status.table(paths)).startswith("nothing is running")
    paths.run.mkdir()
    (paths.run / "status.json").write_text(
        json.dumps({"kafka": {"state": "stopped", "starts": 1, "port": 9092}})
    )
    lock = Lock(paths.state)
    lock.take()
    assert any("kafka" in line for line in status.table(paths))
    status.forget(paths)
    [line] = status.table(paths)
    assert line.startswith("starting")
    lock.release()


def test_the_detector_takes_stills_for_what_they_are(tmp_path: Path) -> None:
    frames = [{"file": "a.jpg", "camera": "one"}, {"file": "b.jpg", "camera": "one"}]
    (tmp_path / "annotations.json").write_text(json.dumps({"frames": frames}))
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"still")
    settings = StackSettings.from_env({"FOOTAGE": str(tmp_path)})
    still = demo.env_for_service("detector", settings)
    assert still["DETECTOR_FROZEN_AFTER"] == "0"
    assert demo.env_for_service("tracker", settings) == {}
    chosen = StackSettings.from_env({"FOOTAGE": str(tmp_path), "DETECTOR_FROZEN_AFTER": "7"})
    assert "DETECTOR_FROZEN_AFTER" not in demo.env_for_service("detector", chosen)
    (tmp_path / "b.jpg").write_bytes(b"moving")
    assert "DETECTOR_FROZEN_AFTER" not in demo.env_for_service("detector", settings)


def test_many_cameras_are_played_at_a_pace_that_two_cores_keep(tmp_path: Path) -> None:
    for cameras in (2, 58, 400):
        frames = [{"file": "a.jpg", "camera": f"cam-{n}"} for n in range(cameras)]
        (tmp_path / "annotations.json").write_text(json.dumps({"frames": frames}))
        (tmp_path / "a.jpg").write_bytes(b"still")
        assert demo.interval_ms(tmp_path) == max(INTERVAL_MS, cameras * demo.PICTURE_MS)


def test_cars_come_and_go_in_the_demos_first_minute() -> None:
    """The tracker needs two pictures of a change, and a round of the story must stay short."""
    cameras: dict[str, list[dict[str, int]]] = {}
    played = load(demo.FOOTAGE)
    for frame in played.annotations["frames"]:
        states = {slot["id"]: slot["occupied"] for slot in frame["slots"]}
        cameras.setdefault(frame["camera"], []).append(states)
    scene_s = demo.hold(demo.FOOTAGE) * demo.interval_ms(demo.FOOTAGE) / 1000
    last = demo.BEGIN + int((60 - INTERVAL_MS / 1000) // scene_s)
    seen = [scenes[demo.BEGIN : last + 1] for scenes in cameras.values()]
    came = sum(b[s] > a[s] for some in seen for a, b in pairwise(some) for s in a)
    went = sum(b[s] < a[s] for some in seen for a, b in pairwise(some) for s in a)
    assert min(came, went) >= 2
    assert played.length * scene_s <= 600


def test_a_recording_is_played_as_dense_as_it_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"still")

    def pace(gap_s: int | None) -> tuple[int, int]:
        times = [f"2026-01-01T00:00:0{gap_s * n}" if gap_s is not None else None for n in (0, 1)]
        frames = [{"file": "a.jpg", "camera": "one", "timestamp": time} for time in times]
        (tmp_path / "annotations.json").write_text(json.dumps({"frames": frames}))
        return demo.interval_ms(tmp_path), demo.hold(tmp_path)

    assert pace(None) == (INTERVAL_MS, demo.HOLD)
    assert pace(9) == (INTERVAL_MS, demo.HOLD)
    assert pace(5) == (5000, 1)
    assert pace(2) == (2000, 1)
    assert pace(0) == (INTERVAL_MS, demo.HOLD), "times that say nothing"


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    secret = tmp_path / "secrets" / "one"
    value = made_once(secret)
    assert made_once(secret) == value
    assert len(value) >= 32
    assert secret.stat().st_mode & 0o077 == 0


def test_the_password_file_keeps_one_line_a_user(tmp_path: Path) -> None:
    users = PasswordFile(tmp_path / "passwords")
    for user in ("site/a", "site/b", "site/a"):
        users.set(user, "secret")
    users.remove("site/b")
    [line] = users.path.read_text("utf-8").splitlines()
    assert line.startswith("site/a:$7$")
    assert "secret" not in line
    assert users.path.stat().st_mode & 0o077 == 0


def test_strimzi_manifests_hold_every_topic() -> None:
    resources = list(yaml.safe_load_all(manifests()))
    assert {r["metadata"]["name"]: r["spec"]["partitions"] for r in resources} == {
        topic.name: topic.partitions for topic in TOPICS.values()
    }


def test_every_archive_is_pinned_by_its_hash(tmp_path: Path) -> None:
    pinned = jars.locked()
    assert all(len(jar.sha256) == 64 for jar in pinned)
    assert {jars.KAFKA, jars.LOG_BINDING, jars.S3PROXY} <= {jar.coordinate for jar in pinned}
    versions = {jar.coordinate.split(":")[2] for jar in pinned if ":kafka" in jar.coordinate}
    assert versions == {jars.KAFKA.split(":")[2]}
    assert jars.Jar("a.b:c:1:x", "").path_in(tmp_path) == tmp_path / "a/b/c/1/c-1-x.jar"
