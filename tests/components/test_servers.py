"""The Kafka and S3Proxy archives for an installation."""

from pathlib import Path

import pytest

from tools.stack import jars, servers


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kept = {jar: jar.path_in(tmp_path / "cache") for jar in jars.locked()}
    for path in kept.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    monkeypatch.setattr(jars, "fetch", lambda *_: kept)
    return tmp_path / "cache"


def test_each_server_gets_its_own_archives(cache: Path, tmp_path: Path) -> None:
    servers.main([str(cache), str(tmp_path / "kafka"), str(tmp_path / "s3")])
    assert [path.name for path in (tmp_path / "s3").iterdir()] == [
        "s3proxy-4.1.0-jar-with-dependencies.jar"
    ]
    kafka = [path.name for path in (tmp_path / "kafka").iterdir()]
    assert len(kafka) == len(jars.locked()) - 1
    assert any(name.startswith("kafka_2.13-") for name in kafka)


def test_negative_control_an_existing_folder_is_not_mixed_with(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    with pytest.raises(SystemExit, match=r"servers: .*exists"):
        servers.main([str(cache), str(tmp_path / "kafka")])
    with pytest.raises(SystemExit, match="CACHE"):
        servers.main([])
