"""deploy/kafka: the rights and the drift, without a running Kafka."""

import ast
from pathlib import Path

import pytest
import yaml

from parking.core import topics
from parking.core.rights import CLUSTER, RIGHTS, acls
from parking.core.topics import TOPICS
from tools.cli import admin
from tools.cli.drift import Shape, compare
from tools.stack import strimzi
from tools.stack.settings import ROOT

KAFKA = ROOT / "deploy" / "kafka"
NAMES = {name for name, value in vars(topics).items() if isinstance(value, str) and value in TOPICS}
# In codec.dead_letter() alone, which decides by what is dead; see the next test.
DEAD = {topics.DEAD_LETTERS, topics.DEAD_LETTERS_FRAMES}


def used(service: str) -> set[str]:
    """Return the topics that a service's code names and imports from the one list."""
    found = set()
    for path in (ROOT / "services" / service).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "parking.core.topics":
                found |= {getattr(topics, a.name) for a in node.names if a.name in NAMES}
            if isinstance(node, ast.Attribute) and node.attr in NAMES:
                owner = node.value
                if isinstance(owner, ast.Name) and owner.id == "topics":
                    found.add(getattr(topics, node.attr))
    return found


@pytest.mark.parametrize("service", RIGHTS)
def test_a_service_has_rights_on_the_topics_that_its_code_names(service: str) -> None:
    rights = RIGHTS[service]
    assert (rights.reads | rights.writes) - DEAD == used(service) - DEAD


def writes_dead_letters(service: str) -> bool:
    folder = ROOT / "services" / service
    texts = [path.read_text("utf-8") for path in folder.rglob("*.py")]
    return any("dead_letter(" in text or "runner" in text for text in texts)


@pytest.mark.parametrize("service", RIGHTS)
def test_services_that_dead_letter_may_write_dead_letters(service: str) -> None:
    may = topics.DEAD_LETTERS in RIGHTS[service].writes
    assert may == writes_dead_letters(service)
    pictures = topics.FRAMES in RIGHTS[service].reads or service == "ingest"
    if may and pictures:
        assert topics.DEAD_LETTERS_FRAMES in RIGHTS[service].writes


def test_every_service_has_rights() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}
    assert set(RIGHTS) == folders


@pytest.mark.parametrize("name", strimzi.WRITERS)
def test_the_files_are_as_the_code_says(name: str) -> None:
    assert (KAFKA / f"{name}.yaml").read_text("utf-8") == strimzi.WRITERS[name]()


def test_strimzis_users_have_the_same_rights() -> None:
    users = {u["metadata"]["name"]: u for u in yaml.safe_load_all(strimzi.users())}
    assert set(users) == set(RIGHTS)
    for service, user in users.items():
        assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
        listed = [
            (a["resource"]["type"], a["resource"].get("name", CLUSTER), a["operations"][0])
            for a in user["spec"]["authorization"]["acls"]
        ]
        assert listed == [(a.resource, a.name, a.operation) for a in acls(service)]


WANTED: dict[str, Shape] = {
    name: (topic.partitions, topic.config()) for name, topic in TOPICS.items()
}


def test_matching_topics_are_not_a_difference() -> None:
    more = {name: (n, {**config, "preallocate": "true"}) for name, (n, config) in WANTED.items()}
    assert compare(WANTED, more) == []


def test_each_difference_is_named() -> None:
    there = dict(WANTED)
    del there[topics.FRAMES]
    there[topics.SESSIONS] = (3, {**TOPICS[topics.SESSIONS].config(), "retention.ms": "5"})
    there["parking.before"] = (1, {})
    there["somebody.elses"] = (1, {})
    there["parking.analytics-__assignor-__leader"] = (1, {})
    found = [(one.topic, one.kind) for one in compare(WANTED, there)]
    assert sorted(found) == [
        ("parking.before", "unknown"),
        (topics.FRAMES, "missing"),
        (topics.SESSIONS, "partitions"),
        (topics.SESSIONS, "setting"),
    ]


def test_apply_sets_every_limit_that_a_topic_has() -> None:
    fixed = {"cleanup.policy", "message.timestamp.type"}
    keys = {key for topic in TOPICS.values() for key in topic.config()}
    assert keys - fixed == set(admin.LIMITS)


def test_the_secure_node_refuses_what_has_no_right() -> None:
    lines = Path(KAFKA / "server.properties").read_text("utf-8").splitlines()
    config = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
    assert config["allow.everyone.if.no.acl.found"] == "false"
    assert config["auto.create.topics.enable"] == "false"
    outside = [one for one in config["listeners"].split(",") if "127.0.0.1" not in one]
    assert [one.split(":")[0] for one in outside] == ["SASL_SSL"]
