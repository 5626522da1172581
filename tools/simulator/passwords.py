"""Give each device of a folder of footage a password, for the demo of deploy/compose.

The devices become users of the MQTT broker. Their passwords go into a new file for
`python -m tools.simulator --passwords`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from parking.access.secret_files import PasswordFile, new_password, write_private
from parking.core.errors import Invalid
from tools.simulator.footage import load


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. An error prints one line and sets exit status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.simulator.passwords",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--footage", type=Path, required=True, help="folder with annotations.json")
    parser.add_argument("--users", type=Path, required=True, help="the broker's password file")
    parser.add_argument("--out", type=Path, required=True, help="file to create")
    options = parser.parse_args(arguments)
    users = PasswordFile(options.users)
    try:
        passwords = {device_id: new_password() for device_id in load(options.footage).device_ids}
    except Invalid as error:
        sys.exit(f"passwords: {error}")
    for device_id, password in passwords.items():
        users.set(device_id, password)
    write_private(options.out, json.dumps(passwords))


if __name__ == "__main__":
    main()
