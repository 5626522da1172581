import { useMemo, useState } from "react";

import { DataPanel } from "./data-panel";
import { LineChart } from "./line-chart";
import type { Occupancy } from "./requests";
import { GROUPINGS, lineTable, linesOf, type Grouping } from "./summaries";
import { dayAndTime } from "./times";
import { small } from "../../shared/format";
import { say } from "../../shared/language";

interface Props {
  occupancy: Occupancy;
  zones: ReadonlyMap<string, string>;
  /** The beginning of the file's name. */
  file: string;
}

/** How full the lot was over time. */
export function OccupancyPanel({ occupancy, zones, file }: Props) {
  const [by, setBy] = useState<Grouping>("state");
  const lines = useMemo(() => linesOf(occupancy, by, zones), [occupancy, by, zones]);
  const empty = occupancy.series.length === 0;
  const table = empty ? { columns: [], rows: [] } : lineTable(occupancy, lines);
  const { from_ms, to_ms, time_zone } = occupancy;
  const chart = {
    what: small(say(`occupancy.${by}`)),
    from: dayAndTime(from_ms, time_zone),
    to: dayAndTime(to_ms, time_zone),
  };
  return (
    <DataPanel
      title={say("occupancy.title")}
      file={`${file}-occupancy-by-${by}`}
      table={table}
      note={
        !empty && (
          <label className="table-filter">
            {say("show")}
            <select
              value={by}
              onChange={(event) => {
                setBy(GROUPINGS.find((each) => each === event.target.value) ?? "state");
              }}
            >
              {GROUPINGS.map((each) => (
                <option key={each} value={each}>
                  {say(`occupancy.${each}`)}
                </option>
              ))}
            </select>
          </label>
        )
      }
    >
      <LineChart
        label={say("occupancy.chart", chart)}
        starts_ms={occupancy.starts_ms}
        lines={lines}
        time_zone={time_zone}
        unit={by === "state" ? "" : "%"}
      />
    </DataPanel>
  );
}
