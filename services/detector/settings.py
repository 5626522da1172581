"""The detector's settings, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parking.kafka import KafkaSettings
from parking.ops import HttpSettings
from parking.settings import Reader

DEFAULT_MODEL: Final = Path(__file__).resolve().parents[2] / "models" / "parking-yolo11n.onnx"

HELP: Final = """\
settings (environment):
  KAFKA_BOOTSTRAP       host:port; also KAFKA_SECURITY, KAFKA_USERNAME, KAFKA_PASSWORD[_FILE],
                        KAFKA_SASL_MECHANISM, KAFKA_CA_FILE
  RUN                   live; a replay's name: topics and group of its own
  HTTP_HOST, HTTP_PORT  where it listens (127.0.0.1, 5000); private: never expose it
  MODEL_FILE            the ONNX model (models/parking-yolo11n.onnx)
  DETECTOR_BACKEND      onnx (default: steady and small), openvino (up to a quarter faster on
                        idle cores, 55 MB more), or ultralytics (extra [train])
  DETECTOR_PRECISION    f32 (default: the same answers on every machine) or auto (openvino:
                        bfloat16 where the CPU has it; faster, scores differ by up to 0.03)
  DETECTOR_THREADS      inference threads; 0 (default): one per core, at most 4
  DETECTOR_SIZE         long side of the input where a layout names none (640 pixels)
  DETECTOR_BATCH        pictures in one inference (1: more was not faster on two cores)
  DETECTOR_RECORDS      most frames taken from Kafka at once (32)
  DETECTOR_SKIP         on: when behind, only a camera's newest frame (default); off: every frame
  DETECTOR_THRESHOLD    score from which a slot is occupied; 0 (default): the model file's own
  DETECTOR_FROZEN_AFTER repeats of one picture until the camera is called frozen (5; 0: never)
  DETECTOR_OVERLAYS     cameras whose last frame is kept for /overlay (32)
  FRAME_MAX_BYTES, FRAME_MAX_PIXELS  larger pictures are refused (1000000, 2000000)
  LOG_FORMAT, LOG_LEVEL text or json; INFO
"""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model, and how it runs."""

    file: Path
    backend: str
    precision: str
    threads: int
    threshold: float
    """0: the file's own."""
    size_px: int
    batch: int


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the detector."""

    kafka: KafkaSettings
    http: HttpSettings
    model: ModelSettings
    max_records: int
    skip: bool
    frozen_after: int
    overlays: int
    frame_max_pixels: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises SettingsError that names every problem."""
        env = Reader(environ)
        settings = cls(
            kafka=KafkaSettings.read(env, replays=True),
            http=HttpSettings.read(env, 5000),
            model=ModelSettings(
                file=_model_file(env),
                backend=env.choice("DETECTOR_BACKEND", ("onnx", "openvino", "ultralytics"), "onnx"),
                precision=env.choice("DETECTOR_PRECISION", ("f32", "auto"), "f32"),
                threads=env.integer("DETECTOR_THREADS", 0, 0, 64),
                threshold=env.number("DETECTOR_THRESHOLD", 0, 0, 1),
                size_px=env.integer("DETECTOR_SIZE", 640, 160, 2048),
                batch=env.integer("DETECTOR_BATCH", 1, 1, 32),
            ),
            max_records=env.integer("DETECTOR_RECORDS", 32, 1, 500),
            skip=env.flag("DETECTOR_SKIP", True),
            frozen_after=env.integer("DETECTOR_FROZEN_AFTER", 5, 0, 10_000),
            overlays=env.integer("DETECTOR_OVERLAYS", 32, 0, 1000),
            frame_max_pixels=env.integer("FRAME_MAX_PIXELS", 2_000_000, 10_000, 100_000_000),
        )
        env.done()
        return settings


def _model_file(env: Reader) -> Path:
    path = Path(env.text("MODEL_FILE", str(DEFAULT_MODEL)))
    if not path.is_file():
        env.problems.append(f"MODEL_FILE={str(path)!r}: there is no such file")
    return path
