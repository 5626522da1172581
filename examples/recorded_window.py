"""Query a recorded window with DuckDB: how often vehicles came and went in each zone, and how long
they stayed.

python -m tools.record tuesday.zip --site demo --from 2h --without-frames
python examples/recorded_window.py tuesday.zip

An archive holds one JSON Lines file per topic (docs/replay.md). Requires duckdb (extra `examples`).
"""

import sys
import tempfile
import zipfile
from pathlib import Path

import duckdb

CHANGES = "records/parking.slot-changes.jsonl"
QUERY = """
    select event.zone_id as zone,
           count(distinct event.slot_id) as slots,
           count(*) filter (event.to_state = 'occupied') as arrivals,
           count(*) filter (event.from_state = 'occupied') as departures,
           round(median(event.dwell_ms) filter (event.from_state = 'occupied') / 60000, 1)
               as median_stay_minutes
    from read_json(?, format = 'newline_delimited')
    group by zone order by zone
"""


def main() -> None:
    """Print the table for one archive."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(sys.argv[1]) as archive:
        changes = archive.extract(CHANGES, folder)
        table = duckdb.execute(QUERY, [str(Path(changes))])
        print(*(column[0] for column in table.description), sep="\t")
        for row in table.fetchall():
            print(*row, sep="\t")


if __name__ == "__main__":
    main()
