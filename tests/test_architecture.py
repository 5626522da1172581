"""The structure of the code, checked by parsing it: permitted imports, and where names and settings
live."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_PURE = {
    "asyncio",
    "datetime",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
}  # fmt: skip -- one word list
ROOMS = {
    # What each folder of parking/ may use: the rooms below it, and packages.
    "core": (set(), {"msgspec", "numpy"}),
    "wire": ({"core"}, {"aiokafka", "msgspec", "numpy"}),
    "vision": ({"core"}, {"cv2", "msgspec", "numpy"}),
    "runtime": ({"core", "wire"}, None),
    "access": ({"core", "wire", "runtime"}, None),
}
INNER = ("ingest.pull", "notifier.api")
FOUR_FILES = {"__main__.py", "settings.py", "handler.py", "adapters.py"}
READS_ENVIRON = re.compile(
    r"__main__\.py$|tools/(cli|bench)/|tools/cases/world|tools/simulator/passwords|tools/stack/node|parking/runtime/(ops|faults)"
)
MAX_LINES = 300
MAX_TEST_LINES = 500
LONGER = {
    "parking/core/events.py": 760
}  # every event in one list is easier to read than two halves


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def services() -> list[Path]:
    return sorted(path for path in (ROOT / "services").iterdir() if (path / "__main__.py").exists())


ALL = sources("parking", "services", "tools")
FIRMWARE = sources("firmware")
HARDWARE = {"machine", "network", "camera", "esp32", "esp", "bluetooth", "hal", "boards", "sim"}
TESTS = [path for path in sources("tests") if path != Path(__file__).resolve()]
TOUCHES = re.compile(
    r"\b(tmp_path|infra|read_text|read_bytes|write_text|imread|subprocess|socket)\b"
    r"|(?<!def )\bopen\("
)


@pytest.mark.parametrize("path", sources("parking"), ids=name_of)
def test_each_room_uses_only_those_below(path: Path) -> None:
    parts = path.relative_to(ROOT / "parking").parts
    assert len(parts) == 2 or parts == ("__init__.py",), f"{name_of(path)} is in no room"
    if len(parts) < 2:
        return
    below, packages = ROOMS[parts[0]]
    for name in imports(path):
        top, *more = name.split(".")
        assert top not in {"services", "tools", "tests"}, f"{name_of(path)} imports {name}"
        if top == "parking":
            assert more[0] in {parts[0], *below}, f"{name_of(path)} imports {name}: it is not below"
        elif packages is not None and top not in sys.stdlib_module_names:
            assert top in packages, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", sources("parking/core", "parking/vision"), ids=name_of)
def test_rules_and_vision_do_no_io(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] not in NOT_PURE, f"{name_of(path)} imports {name}"


def test_negative_control_the_runtime_does_io() -> None:
    used = {name.split(".")[0] for path in sources("parking/runtime") for name in imports(path)}
    assert used & NOT_PURE
    assert used - {"msgspec", "numpy", "cv2", "parking"} - sys.stdlib_module_names


@pytest.mark.parametrize("path", sources("services"), ids=name_of)
def test_services_do_not_know_each_other(path: Path) -> None:
    mine = name_of(path).split("/")
    for name in imports(path):
        theirs = name.split(".")
        assert theirs[0] not in {"tools", "tests"}, f"{name_of(path)} imports {name}"
        if theirs[0] == "services":
            assert theirs[1] == mine[1], f"{name_of(path)} imports another service: {name}"
        for inner in INNER:
            if name.startswith(f"services.{inner}.") and "/".join(mine[1:3]) != inner.replace(
                ".", "/"
            ):
                assert mine[2] in {"__main__.py", "settings.py"}, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", sources("tools"), ids=name_of)
def test_only_what_runs_the_whole_stack_needs_it(path: Path) -> None:
    if name_of(path).split("/")[1] in {"stack", "bench", "cases"}:
        return
    for name in imports(path):
        assert not name.startswith("tools.stack"), f"{name_of(path)} needs the embedded stack"


def test_only_the_api_speaks_http_statuses() -> None:
    for path in sources("services/notifier"):
        if path.parent.name != "api":
            found = re.search(r"ApiError|HTTPException", path.read_text("utf-8"))
            assert not found, f"{name_of(path)}: {found}"


@pytest.mark.parametrize("service", services(), ids=name_of)
def test_services_read_alike(service: Path) -> None:
    assert {path.name for path in service.iterdir()} >= FOUR_FILES


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_names_live_in_one_place(path: Path) -> None:
    text = path.read_text("utf-8")
    if path.name != "topics.py":
        from parking.core.topics import MQTT_ROOT, TOPICS

        literals = {
            node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)
        }
        spelled = literals & {*TOPICS, MQTT_ROOT}
        assert not spelled, f"{name_of(path)} spells {spelled}: parking/core/topics.py has it"
    if not READS_ENVIRON.search(name_of(path)):
        assert "os.environ" not in text, f"{name_of(path)} reads settings"
        assert "getenv" not in text, f"{name_of(path)} reads settings"


@pytest.mark.parametrize("path", [*ALL, *TESTS, *FIRMWARE], ids=name_of)
def test_files_keep_the_habits(path: Path) -> None:
    text = path.read_text("utf-8")
    usual = MAX_TEST_LINES if path in TESTS else MAX_LINES
    limit = LONGER.get(name_of(path), usual)
    assert text.count("\n") <= limit, f"{name_of(path)} is longer than {limit} lines"
    assert "unittest.mock" not in text, "fakes are code we ship: parking/runtime/memory.py"
    for call in re.findall(r"\bQueue(?:\[[^\]]*\])?\(([^)]*)\)", text):
        assert call.strip(), f"{name_of(path)}: a queue without a limit"


@pytest.mark.parametrize("path", sources("firmware/app", "firmware/loader"), ids=name_of)
def test_what_decides_on_a_device_imports_no_hardware(path: Path) -> None:
    if name_of(path) == "firmware/loader/partition.py":  # the loader's own flash
        return
    for name in imports(path):
        assert name.split(".")[0] not in HARDWARE, f"{name_of(path)} imports {name}"


def test_the_firmware_spells_its_topics_as_the_list_does() -> None:
    from parking.core.topics import MQTT_ROOT

    assert f'ROOT = "{MQTT_ROOT}"' in (ROOT / "firmware/app/names.py").read_text("utf-8")


@pytest.mark.parametrize("path", sources("tests/unit", "tests/properties"), ids=name_of)
def test_unit_tests_touch_no_file_and_no_server(path: Path) -> None:
    found = TOUCHES.search(path.read_text("utf-8"))
    assert not found, f"{name_of(path)}: {found} belongs in tests/components or tests/contracts"


def test_negative_control_component_tests_do_touch_files() -> None:
    assert any(TOUCHES.search(path.read_text("utf-8")) for path in sources("tests/components"))


def test_topic_manifests_match_the_list() -> None:
    from tools.stack.strimzi import manifests

    file = ROOT / "deploy" / "kafka" / "topics.yaml"
    assert file.read_text("utf-8") == manifests(), "run `make schemas`"


def test_lock_files_name_no_registry() -> None:
    locks = [*(ROOT / "requirements").glob("*.txt"), *ROOT.glob("*/package-lock.json")]
    locks += [ROOT / "tools/stack/jars.txt", ROOT / "tools/stack/mqtt_broker/package-lock.json"]
    for file in locks:
        assert not re.search(
            r"https?://[^ ]*\.(whl|tgz|jar)|--(index|find)", file.read_text("utf-8")
        )
