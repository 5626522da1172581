"""The shape of the code, held by reading it: who may import whom, where names and settings live."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PURE = (
    *("events", "geometry", "jpeghead", "lots", "topics", "errors", "ports"),
    *("ids", "typefaults", "removal", "changes"),
    *("occupancy", "site", "slots", "cameras", "camerastatus", "sessions", "timekeeping"),
    *("gatenumbers", "pairing", "nearplates", "stays", "due"),
    *("gating", "inputsize", "ground", "outlines", "places", "proposals", "rows"),
)
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
PURE_PACKAGES = {"msgspec", "numpy", "parking"}
FOUR_FILES = {"__main__.py", "settings.py", "handler.py", "adapters.py"}
READS_ENVIRON = re.compile(
    r"(__main__|_cli|parking/ops|parking/faults|parking/stack/node|bench/(bare_)?bridge|bench/(produce|persister|tracker)|cases/world)\.py$"
)
MAX_LINES = 300
MAX_TEST_LINES = 500
LONGER = {"parking/events.py": 610}  # every event in one list is easier to read than two halves


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


@pytest.mark.parametrize("module", PURE)
def test_the_core_is_pure(module: str) -> None:
    standard = __import__("sys").stdlib_module_names
    for name in imports(ROOT / "parking" / f"{module}.py"):
        top = name.split(".")[0]
        assert top not in NOT_PURE, f"parking/{module}.py imports {name}"
        assert top in standard or top in PURE_PACKAGES, f"parking/{module}.py imports {name}"
        if top == "parking":
            assert name.split(".")[1] in PURE, f"parking/{module}.py imports {name}, not pure"


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    mine = name_of(path).split("/")
    for name in imports(path):
        theirs = name.split(".")
        if mine[0] == "services" and theirs[0] == "services":
            assert theirs[1] == mine[1], f"{name_of(path)} imports another service: {name}"
        if mine[0] in {"services", "parking"}:
            demo = name_of(path) == "parking/stack/demo.py"  # plays footage by way of tools/
            assert theirs[0] not in {"tools", "tests"} or demo, f"{name_of(path)} imports {name}"
        if mine[0] == "parking":
            assert theirs[0] != "services", f"{name_of(path)} imports {name}"
        if "stack" not in mine and mine[:2] not in (
            ["tools", "bench"],
            ["tools", "cases"],
        ):  # of the whole stack
            assert not name.startswith("parking.stack"), f"{name_of(path)} needs the embedded stack"


@pytest.mark.parametrize("service", services(), ids=name_of)
def test_services_read_alike(service: Path) -> None:
    assert {path.name for path in service.iterdir()} >= FOUR_FILES


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_names_live_in_one_place(path: Path) -> None:
    text = path.read_text("utf-8")
    if path.name != "topics.py":
        from parking.topics import MQTT_ROOT, TOPICS

        literals = {
            node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)
        }
        spelled = literals & {*TOPICS, MQTT_ROOT}
        assert not spelled, f"{name_of(path)} spells {spelled}: parking/topics.py has it"
    if not READS_ENVIRON.search(name_of(path)):
        assert "os.environ" not in text, f"{name_of(path)} reads settings"
        assert "getenv" not in text, f"{name_of(path)} reads settings"


@pytest.mark.parametrize("path", [*ALL, *TESTS, *FIRMWARE], ids=name_of)
def test_files_keep_the_habits(path: Path) -> None:
    text = path.read_text("utf-8")
    usual = MAX_TEST_LINES if path in TESTS else MAX_LINES
    limit = LONGER.get(name_of(path), usual)
    assert text.count("\n") <= limit, f"{name_of(path)} is longer than {limit} lines"
    assert "unittest.mock" not in text, "fakes are code we ship: parking/memory.py"
    for call in re.findall(r"\bQueue(?:\[[^\]]*\])?\(([^)]*)\)", text):
        assert call.strip(), f"{name_of(path)}: a queue without a limit"


@pytest.mark.parametrize("path", sources("firmware/app", "firmware/loader"), ids=name_of)
def test_what_decides_on_a_device_imports_no_hardware(path: Path) -> None:
    if name_of(path) == "firmware/loader/partition.py":  # the loader's own flash
        return
    for name in imports(path):
        assert name.split(".")[0] not in HARDWARE, f"{name_of(path)} imports {name}"


def test_the_firmware_spells_its_topics_as_the_list_does() -> None:
    from parking.topics import MQTT_ROOT

    assert f'ROOT = "{MQTT_ROOT}"' in (ROOT / "firmware/app/names.py").read_text("utf-8")


@pytest.mark.parametrize("path", sources("tests/unit"), ids=name_of)
def test_unit_tests_touch_no_file_and_no_server(path: Path) -> None:
    found = TOUCHES.search(path.read_text("utf-8"))
    assert not found, f"{name_of(path)}: {found} belongs in tests/components or tests/contracts"


def test_negative_control_component_tests_do_touch_files() -> None:
    assert any(TOUCHES.search(path.read_text("utf-8")) for path in sources("tests/components"))


def test_topic_manifests_match_the_list() -> None:
    from parking.stack.strimzi import manifests

    file = ROOT / "deploy" / "kafka" / "topics.yaml"
    assert file.read_text("utf-8") == manifests(), "run `make schemas`"


def test_lock_files_name_no_registry() -> None:
    locks = [*(ROOT / "requirements").glob("*.txt"), *ROOT.glob("*/package-lock.json")]
    locks += [ROOT / "parking/stack/jars.txt", ROOT / "parking/stack/mqtt_broker/package-lock.json"]
    for file in locks:
        assert not re.search(
            r"https?://[^ ]*\.(whl|tgz|jar)|--(index|find)", file.read_text("utf-8")
        )
