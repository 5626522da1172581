import { useMemo, useState } from "react";

import { DataPanel } from "./data-panel";
import { LineChart } from "./line-chart";
import type { Occupancy } from "./requests";
import { GROUPINGS, lineTable, linesOf, type Grouping } from "./summaries";
import { dayAndTime } from "./times";

interface Props {
  occupancy: Occupancy;
  zones: ReadonlyMap<string, string>;
  /** The beginning of the file's name. */
  file: string;
}

const GROUPING_WORDS: Readonly<Record<Grouping, string>> = {
  state: "Spaces by state",
  zone: "Occupied share by zone",
  kind: "Occupied share by kind",
};

/** How full the lot was over time. */
export function OccupancyPanel({ occupancy, zones, file }: Props) {
  const [by, setBy] = useState<Grouping>("state");
  const lines = useMemo(() => linesOf(occupancy, by, zones), [occupancy, by, zones]);
  const empty = occupancy.series.length === 0;
  const table = empty ? { columns: [], rows: [] } : lineTable(occupancy, lines);
  const { from_ms, to_ms, time_zone } = occupancy;
  const span = `${dayAndTime(from_ms, time_zone)} to ${dayAndTime(to_ms, time_zone)}`;
  return (
    <DataPanel
      title="Occupancy"
      file={`${file}-occupancy-by-${by}`}
      table={table}
      note={
        !empty && (
          <label className="table-filter">
            Show
            <select
              value={by}
              onChange={(event) => {
                setBy(GROUPINGS.find((each) => each === event.target.value) ?? "state");
              }}
            >
              {GROUPINGS.map((each) => (
                <option key={each} value={each}>
                  {GROUPING_WORDS[each]}
                </option>
              ))}
            </select>
          </label>
        )
      }
    >
      <LineChart
        label={`Chart: ${GROUPING_WORDS[by].toLowerCase()}, ${span}. The table has the numbers.`}
        starts_ms={occupancy.starts_ms}
        lines={lines}
        time_zone={time_zone}
        unit={by === "state" ? "" : "%"}
      />
    </DataPanel>
  );
}
