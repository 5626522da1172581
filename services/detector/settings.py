"""The detector's settings, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parking.runtime.kafka import KafkaSettings
from parking.runtime.ops import HttpSettings
from parking.runtime.settings import Reader

NONE: Final = "none"
_MODELS: Final = Path(__file__).resolve().parents[2] / "models"
DEFAULT_MODEL: Final = _MODELS / "parking-yolo11n.onnx"
DEFAULT_SLOT_MODEL: Final = _MODELS / "parking-slots.onnx"

BACKENDS: Final = ("onnx", "openvino", "ultralytics")
SMALLEST_PX: Final = 160

HELP: Final = """\
settings (environment):
  KAFKA_BOOTSTRAP       host:port; also KAFKA_SECURITY, KAFKA_USERNAME, KAFKA_PASSWORD[_FILE],
                        KAFKA_SASL_MECHANISM, KAFKA_CA_FILE
  RUN                   live; a replay's name: topics and group of its own
  HTTP_HOST, HTTP_PORT  where it listens (127.0.0.1, 5000); private: never expose it
  MODEL_FILE            the ONNX model that finds vehicles (models/parking-yolo11n.onnx)
  SLOT_MODEL_FILE       the ONNX model that looks at each slot (models/parking-slots.onnx), fitted
                        with the boxes of MODEL_FILE; none (default beside a MODEL_FILE of your
                        own): only vehicles count
  DETECTOR_BACKEND      onnx (default), openvino (faster on processors with AVX-512, but it compiles
                        each input shape at its first use, 0.7 s), or ultralytics (extra [train]);
                        `parking bench-detector` compares the first two on this machine
  DETECTOR_PRECISION    f32 (default: the same answers on every machine) or auto (openvino:
                        bfloat16 where the CPU has it; faster, scores differ by up to 0.03)
  DETECTOR_THREADS      inference threads; 0 (default): this process's share of the cores it may
                        use (affinity, container limit), at most 4
  DETECTOR_PROCESSES    detectors that share this machine's cores (1)
  DETECTOR_SIZE         long side of the input in pixels where a layout sets none; 0 (default): by
                        need, from the size of the camera's slots in its picture
  DETECTOR_RECORDS      most frames taken from Kafka at once (500)
  DETECTOR_SKIP         on: when behind, only a camera's newest frame (default); off: every frame
  DETECTOR_GATE         on: an unchanged slot keeps its last observation (default); off:
                        every slot of every picture is judged
  DETECTOR_CLOSER       on: slots in doubt are searched again at a larger scale (default); off: once
  DETECTOR_LOAD         on: a busy detector leaves out closer looks, then refreshes of unchanged
                        slots, then input size, then pace (default); off: nothing is left out
  DETECTOR_BUDGET       seconds of work per second above which that begins (0.7)
  DETECTOR_THRESHOLD    score from which a vehicle is drawn, and with SLOT_MODEL_FILE=none makes its
                        slot occupied; 0 (default): the model file's own
  DETECTOR_FRAME_LIMIT_S  seconds that one frame may take; then the process ends and its
                        supervisor restarts it (30). A frame that ends it repeatedly
                        becomes a dead letter
  DETECTOR_STALL_S      /healthz fails when, for this many seconds while Kafka answers, frames
                        wait and none arrives, or the group does not accept this member (120)
  DETECTOR_FROZEN_AFTER repeats of one picture until the camera counts as frozen (5; 0: never)
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
    """0 uses the file's own threshold."""
    size_px: int
    """0 chooses the size as needed."""
    processes: int = 1
    slots: Path | None = None
    """The slot network. None lets boxes alone decide."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the detector."""

    kafka: KafkaSettings
    http: HttpSettings
    model: ModelSettings
    max_records: int
    skip: bool
    gate: bool
    closer: bool
    load: bool
    budget: float
    frozen_after: int
    overlays: int
    frame_max_pixels: int
    frame_limit_s: float
    stall_s: float

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all settings. Raises SettingsError with every problem."""
        env = Reader(environ)
        settings = cls(
            kafka=KafkaSettings.read(env, replays=True),
            http=HttpSettings.read(env, 5000),
            model=ModelSettings(
                file=_model_file(env),
                backend=env.choice("DETECTOR_BACKEND", BACKENDS, "onnx"),
                precision=env.choice("DETECTOR_PRECISION", ("f32", "auto"), "f32"),
                threads=env.integer("DETECTOR_THREADS", 0, 0, 64),
                threshold=env.number("DETECTOR_THRESHOLD", 0, 0, 1),
                size_px=_size_px(env),
                processes=env.integer("DETECTOR_PROCESSES", 1, 1, 64),
                slots=_slot_model_file(env),
            ),
            max_records=env.integer("DETECTOR_RECORDS", 500, 1, 2000),
            skip=env.flag("DETECTOR_SKIP", True),
            gate=env.flag("DETECTOR_GATE", True),
            closer=env.flag("DETECTOR_CLOSER", True),
            load=env.flag("DETECTOR_LOAD", True),
            budget=env.number("DETECTOR_BUDGET", 0.7, 0.05, 8),
            frozen_after=env.integer("DETECTOR_FROZEN_AFTER", 5, 0, 10_000),
            overlays=env.integer("DETECTOR_OVERLAYS", 32, 0, 1000),
            frame_max_pixels=env.integer("FRAME_MAX_PIXELS", 2_000_000, 10_000, 100_000_000),
            frame_limit_s=env.number("DETECTOR_FRAME_LIMIT_S", 30.0, 1.0, 240.0),
            stall_s=env.number("DETECTOR_STALL_S", 120.0, 5.0, 3600.0),
        )
        env.done()
        return settings


def default_slots(model: Path) -> Path | None:
    """Return the shipped slot network for the shipped boxes, with which it was fitted; None for
    other boxes."""
    return DEFAULT_SLOT_MODEL if model.resolve() == DEFAULT_MODEL.resolve() else None


def _size_px(env: Reader) -> int:
    size_px = env.integer("DETECTOR_SIZE", 0, 0, 2048)
    if 0 < size_px < SMALLEST_PX:
        env.problems.append(f"DETECTOR_SIZE={size_px} is neither 0 nor {SMALLEST_PX}..2048")
    return size_px


def _model_file(env: Reader) -> Path:
    return _there(env, "MODEL_FILE", Path(env.text("MODEL_FILE", str(DEFAULT_MODEL))))


def _slot_model_file(env: Reader) -> Path | None:
    """Return the slot network's file. The shipped one was fitted with the shipped boxes, so it is
    not the default for others."""
    default = default_slots(Path(env.text("MODEL_FILE", str(DEFAULT_MODEL))))
    wanted = env.text("SLOT_MODEL_FILE", str(default or NONE))
    return None if wanted == NONE else _there(env, "SLOT_MODEL_FILE", Path(wanted))


def _there(env: Reader, name: str, path: Path) -> Path:
    if not path.is_file():
        env.problems.append(f"{name}={str(path)!r}: no such file")
    return path
