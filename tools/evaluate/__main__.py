"""Measure the detector on labelled frames.

python -m tools.evaluate conditions --data ../shared/data             by weather and light
python -m tools.evaluate health --data ../shared/data --out FOLDER    frames damaged on purpose
python -m tools.evaluate looks --data ../shared/data                  cameras' normal looks
python -m tools.evaluate straddling --data ../shared/data             one vehicle over two slots
python -m tools.evaluate usual --data ../shared/data                  cameras' first days
"""

import argparse

from tools.evaluate import conditions, health, looks, straddling, usual


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    conditions.add_parser(commands)
    health.add_parser(commands)
    looks.add_parser(commands)
    straddling.add_parser(commands)
    usual.add_parser(commands)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
