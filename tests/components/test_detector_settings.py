import runpy
import sys
from importlib.util import find_spec

import pytest

from parking.core.errors import SettingsError
from services.detector.runtimes import load_model
from services.detector.settings import ModelSettings, Settings


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08")
    return path


def test_defaults(model):
    settings = Settings.from_env({"KAFKA_BOOTSTRAP": "127.0.0.1:9092", "MODEL_FILE": str(model)})
    assert settings.skip
    assert settings.http.host == "127.0.0.1"
    assert settings.model.backend == "onnx"
    assert settings.model.size_px == 0
    assert settings.gate


def test_every_problem_is_reported_at_once():
    with pytest.raises(SettingsError) as error:
        Settings.from_env(
            {
                "MODEL_FILE": "nowhere.onnx",
                "DETECTOR_BACKEND": "magic",
                "DETECTOR_SIZE": "12",
                "DETECTOR_SKIP": "perhaps",
            }
        )
    problems = " ".join(error.value.problems)
    names = ("KAFKA_BOOTSTRAP", "MODEL_FILE", "DETECTOR_BACKEND", "DETECTOR_SIZE", "DETECTOR_SKIP")
    assert all(name in problems for name in names)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_file_that_no_runtime_can_run_is_a_settings_error(model, backend):
    with pytest.raises(SettingsError) as error:
        load_model(ModelSettings(model, backend, "f32", 1, 0, 640, 1))
    assert backend in error.value.problems[0]


@pytest.mark.skipif(find_spec("ultralytics") is not None, reason="ultralytics is installed here")
def test_ultralytics_without_its_extra_says_what_to_install(model):
    with pytest.raises(SettingsError, match=r"\[train\]"):
        load_model(ModelSettings(model, "ultralytics", "f32", 1, 0, 640, 1))


def test_help_tells_every_setting(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["services.detector", "--help"])
    monkeypatch.delitem(sys.modules, "services.detector.__main__", raising=False)
    runpy.run_module("services.detector", run_name="__main__")
    printed = capsys.readouterr().out
    assert "parking.detections" in printed
    assert "DETECTOR_SKIP" in printed
