"""Images are pinned to the digest of a registry, here a small real one on a socket."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from tools.supply.__main__ import tracked
from tools.supply.components import ROOT
from tools.supply.images import Image, holds_images, images_in, pinned
from tools.supply.pinning import pin_files
from tools.supply.registry import NoDigest, digest_of

MANIFEST = b'{"schemaVersion": 2, "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@dataclass
class Registry:
    """What it holds and how it behaves. `asked` lists the paths of all requests."""

    host: str = ""
    manifests: dict[str, bytes] = field(default_factory=lambda: {"library/thing:1.0": MANIFEST})
    stated: str = ""
    challenge: str = 'Bearer realm="http://{host}/token?a=b",service="here"'
    token: str = '{"token": "let-me-in"}'
    broken: bool = False
    asked: list[str] = field(default_factory=list)


def handler(registry: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(self.path)
            if self.path.startswith("/token"):
                return self.reply(200, registry.token.encode())
            if registry.broken:
                return self.reply(503, b"")
            if self.headers.get("Authorization") != "Bearer let-me-in":
                challenge = registry.challenge.format(host=registry.host)
                return self.reply(401, b"", {"WWW-Authenticate": challenge})
            found = re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path)
            body = registry.manifests.get(f"{found[1]}:{found[2]}") if found else None
            if body is None:
                return self.reply(404, b"{}")
            assert "image.index" in self.headers["Accept"]
            stated = registry.stated or f"sha256:{hashlib.sha256(body).hexdigest()}"
            return self.reply(200, body, {"Docker-Content-Digest": stated})

        def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler


@pytest.fixture
def registry() -> Iterator[Registry]:
    facts = Registry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(facts))
    facts.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield facts
    server.shutdown()
    thread.join()
    server.server_close()


def image(registry: Registry, tag: str = "1.0") -> Image:
    return Image(registry.host, "library/thing", tag)


def test_the_digest_is_that_of_the_manifest_behind_an_anonymous_token(registry: Registry):
    assert digest_of(image(registry)) == DIGEST
    [token] = [path for path in registry.asked if path.startswith("/token")]
    assert "a=b" in token
    assert "service=here" in token
    assert "scope=repository%3Alibrary%2Fthing%3Apull" in token


def test_a_registry_that_asks_for_a_login_gets_none(registry: Registry):
    registry.challenge = 'Basic realm="x"'
    with pytest.raises(NoDigest, match=r"wants a login \(Basic\)"):
        digest_of(image(registry))


def test_a_token_is_not_asked_for_in_clear_text_elsewhere(registry: Registry):
    registry.challenge = 'Bearer realm="http://elsewhere.invalid/token"'
    with pytest.raises(NoDigest, match="not https"):
        digest_of(image(registry))


@pytest.mark.parametrize("token", ["", "[]", "{}"])
def test_an_answer_without_a_token_is_named(registry: Registry, token: str):
    registry.token = token
    with pytest.raises(NoDigest, match="sent no token"):
        digest_of(image(registry))


def test_an_unknown_tag_is_named(registry: Registry):
    with pytest.raises(NoDigest, match=r"library/thing:2\.0: the registry has no such tag"):
        digest_of(image(registry, "2.0"))


def test_a_digest_that_is_not_the_manifests_is_refused(registry: Registry):
    registry.stated = f"sha256:{'0' * 64}"
    with pytest.raises(NoDigest, match=f"states sha256:0{{64}}, but the manifest has {DIGEST}"):
        digest_of(image(registry))


def test_a_registry_that_fails_or_is_away_is_named(registry: Registry):
    registry.broken = True
    with pytest.raises(NoDigest, match=r"no registry can be reached .* answers 503"):
        digest_of(image(registry))
    with pytest.raises(NoDigest, match=r"127\.0\.0\.1:1/a:1: no registry can be reached"):
        digest_of(Image("127.0.0.1:1", "a", "1"))


def test_files_are_pinned_once_and_again_when_the_tag_moves(registry: Registry, tmp_path: Path):
    path = tmp_path / "compose.yaml"
    before = (
        f"# {registry.host}/library/thing:1.0\n"
        f"image: ${{THING:-{registry.host}/library/thing:1.0}}\nimage: smart-parking-ingest:1\n"
    )
    path.write_text(before, "utf-8")
    differences, faults = pin_files([path], write=False)
    assert (len(differences), faults, path.read_text("utf-8")) == (1, [], before)
    assert differences[0].endswith(f"not pinned, is {DIGEST}")

    assert pin_files([path], write=True) == (differences, [])
    after = path.read_text("utf-8")
    assert after == before.replace("thing:1.0}", f"thing:1.0@{DIGEST}}}")
    assert pin_files([path], write=True) == ([], [])
    assert path.read_text("utf-8") == after

    registry.manifests["library/thing:1.0"] = json.dumps({"schemaVersion": 2}).encode()
    [difference], _ = pin_files([path], write=True)
    assert f"outdated, was {DIGEST}" in difference
    assert DIGEST not in path.read_text("utf-8")
    assert pin_files([path], write=False) == ([], [])


def test_one_failure_leaves_that_image_and_pins_the_others(registry: Registry, tmp_path: Path):
    path = tmp_path / "Dockerfile"
    path.write_text(f"FROM {registry.host}/gone:1\nFROM {registry.host}/library/thing:1.0\n")
    _, [fault] = pin_files([path], write=True)
    assert "gone:1: the registry has no such tag" in fault
    assert path.read_text("utf-8") == (
        f"FROM {registry.host}/gone:1\nFROM {registry.host}/library/thing:1.0@{DIGEST}\n"
    )


def test_every_foreign_image_of_this_repository_is_seen():
    paths = [path for path in tracked() if holds_images(PurePosixPath(path.relative_to(ROOT)))]
    named = {
        (path.name, image.path) for path in paths for image, _ in images_in(path.read_text("utf-8"))
    }
    compose = ("apache/kafka", "library/postgres", "library/eclipse-mosquitto")
    more = ("andrewgaul/s3proxy", "prom/prometheus", "grafana/grafana")
    assert named == {
        ("Dockerfile", "library/debian"),
        ("devcontainer.json", "devcontainers/python"),
        *(("compose.yaml", path) for path in compose + more),
    }
    text = (ROOT / "deploy" / "compose" / "compose.yaml").read_text("utf-8")
    foreign = re.findall(r"^ +image: (?!smart-parking-).*", text, re.M)
    assert len(foreign) == len(images_in(text))


def test_only_known_images_change():
    text = "a: docker.example/x:1\nb: docker.example/y:1\n"
    known = {Image("docker.example", "x", "1"): DIGEST}
    assert pinned(text, known) == text.replace("x:1", f"x:1@{DIGEST}")
