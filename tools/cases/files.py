"""Files from users, given to the command line."""

import json

from tools.cases import Verdict, case, verdict
from tools.cases.world import World

_FRAME = {
    "file": "a.jpg",
    "camera": "c",
    "width": 100,
    "height": 100,
    "slots": [{"id": "Süd", "polygon": [[10, 10], [40, 10], [40, 40]], "occupied": 0}],
}
_CAMERAS = {"cameras": [{"camera": "demo/gate", "kind": "snapshot", "url": "http://10.0.0.9/x"}]}


@case("files", "annotations with a byte-order mark and CRLF are read")
def marked(world: World) -> Verdict:
    """Read files as a Windows editor saves them."""
    folder = world.folder / "marked"
    folder.mkdir()
    frame = _FRAME | {"slots": [_FRAME["slots"][0] | {"id": "A1"}]}  # type: ignore[index]
    text = json.dumps({"frames": [frame]}, indent=1).replace("\n", "\r\n")
    (folder / "annotations.json").write_bytes(text.encode("utf-8-sig"))
    status, said = world.command("tools.cli", "layout", "check", str(folder), alone=True)
    return verdict(status == 0, said)


@case("files", "Latin-1, another root, missing fields: one clear line each, never a traceback")
def odd(world: World) -> Verdict:
    """Try annotations, layouts and cameras files."""
    wrong = []
    text = json.dumps({"frames": [_FRAME]}, ensure_ascii=False)
    contents = {
        "latin": text.encode("latin-1"),
        "list": b"[]",
        "null": b"null",
        "empty": b"",
        "fields": json.dumps({"frames": [{"camera": 1}]}).encode(),
        "cut": text.encode()[:40],
    }
    for name, data in contents.items():
        folder = world.folder / f"odd-{name}"
        folder.mkdir()
        for file in ("annotations.json", "layout.json", "cameras.json"):
            (folder / file).write_bytes(data)
        for command in (
            ("tools.cli", "layout", "check", str(folder)),
            ("tools.cli", "layout", "check", str(folder / "layout.json")),
            ("tools.cli", "cameras", "check", str(folder / "cameras.json")),
        ):
            status, said = world.command(*command, alone=True)
            if status == 0 or "Traceback" in said or (".json" not in said and "file" not in said):
                wrong.append(f"{name} {command[1]}: {said[-200:]}")
    return verdict(not wrong, wrong or "all reported")


@case("files", "every error of a cameras file at once, in words")
def all_at_once(world: World) -> Verdict:
    """Put four errors into one file."""
    bad = _CAMERAS["cameras"][0] | {"camera": "Demo", "kind": "ftp", "interval_s": "5", "passwd": 1}
    file = world.folder / "cameras.json"
    file.write_text(json.dumps({"cameras": [bad]}), "utf-8")
    status, said = world.command("tools.cli", "cameras", "check", str(file), alone=True)
    named = [name for name in ("camera", "kind", "interval_s", "passwd") if f": {name}" in said]
    return verdict(status != 0 and len(named) == 4 and "^" not in said, said)


@case("files", "an address outside CAMERAS_NETWORKS names the setting to change")
def networks(world: World) -> Verdict:
    """Loopback is not among the default networks."""
    file = world.folder / "near.json"
    near = _CAMERAS["cameras"][0] | {"url": "http://127.0.0.1:9/x"}
    file.write_text(json.dumps({"cameras": [near]}), "utf-8")
    status, said = world.command("tools.cli", "cameras", "check", str(file), alone=True)
    return verdict(status != 0 and "CAMERAS_NETWORKS" in said, said)
