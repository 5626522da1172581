import json

import pytest

from tools.cli.__main__ import main
from tools.stack.settings import ROOT

EXAMPLE = str(ROOT / "schemas" / "examples" / "layout-published.v1--one-slot.json")


def test_keys_are_made_listed_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KEYS_FILE", str(tmp_path / "keys"))
    main(["keys", "add", "operator", "write"])
    assert capsys.readouterr().out.startswith("pk_")
    main(["keys", "list"])
    assert capsys.readouterr().out == "operator\n"
    main(["keys", "remove", "operator"])
    with pytest.raises(SystemExit, match="no key named"):
        main(["keys", "remove", "operator"])


def test_a_layout_with_a_crossing_polygon_is_refused_with_every_fault(tmp_path):
    cross = [[10, 10], [20, 20], [20, 10], [10, 20]]
    slots = [{"id": name, "polygon": cross, "occupied": 0} for name in ("a", "b")]
    frame = {"file": "x.jpg", "camera": "c", "width": 100, "height": 100, "slots": slots}
    (tmp_path / "annotations.json").write_text(json.dumps({"frames": [frame]}))
    with pytest.raises(SystemExit) as caught:
        main(["layout", "check", str(tmp_path)])
    assert "slot a: its outline crosses" in str(caught.value)
    assert "slot b: its outline crosses" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["layout", "check", "/nowhere"], "cannot be read"),
        (["keys", "list"], "KEYS_FILE is not set"),
        (["topics", "apply"], "KAFKA_BOOTSTRAP is not set"),
        (["dead-letters", "list"], "KAFKA_BOOTSTRAP is not set"),
        (["dead-letters", "replay"], "select some"),
        (["dead-letters", "replay", "17"], "events/17"),
        (["dead-letters", "show", "17"], "events/17"),
        (["parameters", "demo", "--min-confidence", "7"], "min_confidence"),
        (["parameters", "demo", "--silence-ms", "14999"], "silence_ms"),
        (["site", "public", "demo", "on", "--time-zone", "Asia/Jacarta"], "no time zone"),
        (["site", "public", "demo", "on", "--directions", "javascript:alert(1)"], "directions"),
        (["site", "public", "demo", "on"], "KAFKA_BOOTSTRAP is not set"),
        (["layout", "publish", EXAMPLE, "--public"], "KAFKA_BOOTSTRAP is not set"),
    ],
)
def test_a_fault_is_reported_in_one_line(monkeypatch, arguments, says):
    monkeypatch.delenv("KEYS_FILE", raising=False)
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    with pytest.raises(SystemExit, match=says):
        main(arguments)


def test_topics_are_shown(capsys):
    main(["topics", "list"])
    assert "parking.frames" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["keys", "list"], ["slot", "close", "demo", "A01"]])
def test_a_missing_setting_names_the_cure(monkeypatch, arguments):
    monkeypatch.delenv("KEYS_FILE", raising=False)
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    with pytest.raises(SystemExit, match=r"eval \"\$\(python -m tools.stack env\)\""):
        main(arguments)


def test_a_missing_kafka_is_reported_with_the_remedy(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
    with pytest.raises(SystemExit, match="is KAFKA_BOOTSTRAP right"):
        main(["slot", "close", "demo", "A01"])


@pytest.mark.parametrize("slot", ["A 1", "", "A" * 41, "\udcff"])
def test_a_slot_that_cannot_be_is_refused_before_it_is_sent(monkeypatch, slot):
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
    with pytest.raises(SystemExit, match="slot_id: "):
        main(["slot", "close", "demo", slot])
