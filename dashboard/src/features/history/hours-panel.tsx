import { DataPanel } from "./data-panel";
import { TableHead } from "./data-table";
import type { Usage } from "./requests";
import { busiest, hoursTable, weekdayName } from "./summaries";
import { percent } from "../../shared/format";
import { say } from "../../shared/language";

/** Which hours of the week are busy: a table whose cells are shaded by their number. */
export function HoursPanel({ usage, file }: { usage: Usage; file: string }) {
  const table = hoursTable(usage.hours);
  const best = busiest(usage.hours);
  const known = best !== null;
  return (
    <DataPanel
      title={say("hours.title")}
      file={`${file}-hours`}
      table={known ? table : { columns: [], rows: [] }}
      note={
        best && (
          <p className="muted small">
            {say("hours.busiest", {
              day: weekdayName(best.weekday),
              hour: `${String(best.hour).padStart(2, "0")}:00`,
              share: percent(best.occupied_share ?? 0),
            })}
          </p>
        )
      }
    >
      <div className="table-frame">
        <table className="history-hours">
          <TableHead columns={table.columns} />
          <tbody>
            {table.rows.map(([hour, ...shares]) => (
              <tr key={hour}>
                <th scope="row">{hour}</th>
                {shares.map((share, day) => (
                  <td key={day} className={`heat heat-${heat(share)}`}>
                    {share ?? "–"}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </DataPanel>
  );
}

/** The shade, 0 to 5; "none" where nothing is known. */
function heat(percent: string | number | null | undefined): string {
  return typeof percent === "number" ? String(Math.min(5, Math.floor(percent / 17))) : "none";
}
