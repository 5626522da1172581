"""Try every input from the field and print right or wrong: `make cases`.

  python -m tools.cases                  all, against a stack started for them
  python -m tools.cases api ends         only these groups
  python -m tools.cases --list           list the cases

Exit status 1 when an answer is wrong. To write a case, see tools/cases/__init__.py.
"""

import argparse
import os
import sys
import time
from importlib import import_module
from typing import Final

from tools.cases import CASES, Case, Verdict
from tools.cases.world import World

# The modules with cases. Importing one registers its cases.
MODULES: Final = ("api", "ends", "files", "jpegs", "outlines", "seeing")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.cases",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("groups", nargs="*", help="only these")
    parser.add_argument("--only", help="only those whose text or function name contains this")
    parser.add_argument("--quick", action="store_true", help="skip those that take a minute")
    parser.add_argument("--list", action="store_true", help="list the cases without running them")
    options = parser.parse_args()
    for name in MODULES:
        import_module(f"tools.cases.{name}")
    chosen = [one for one in CASES if _is_chosen(one, options)]
    if not chosen:
        parser.error(f"no such case; groups: {', '.join(sorted({one.group for one in CASES}))}")
    if options.list:
        for one in chosen:
            print(f"{one.group:8} {one.run.__name__:20} {one.right}")
        return 0
    with World(os.environ) as world:
        wrong = [one for one in chosen if not _report(one, world)]
    print(f"{len(chosen) - len(wrong)} of {len(chosen)} right")
    return 1 if wrong else 0


def _is_chosen(one: Case, options: argparse.Namespace) -> bool:
    named = not options.only or options.only in f"{one.right} {one.run.__name__}"
    grouped = not options.groups or one.group in options.groups
    return named and grouped and not (options.quick and one.slow)


def _report(one: Case, world: World) -> bool:
    """Run it and print its row. Returns whether the answer was right."""
    start_s = time.monotonic()
    try:
        came = one.run(world)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the other cases go on
        came = Verdict(False, f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
    took_s = time.monotonic() - start_s
    print(f"{'right' if came.right else 'WRONG'}  {one.group:8} {one.right}  ({took_s:.1f} s)")
    if not came.right:
        print(f"       {came.note}")
    sys.stdout.flush()
    return came.right


if __name__ == "__main__":
    sys.exit(main())
