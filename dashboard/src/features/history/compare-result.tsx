import { useState } from "react";

import { CsvButton } from "../../shared/csv-button";
import { duration } from "../../shared/format";
import { number, say } from "../../shared/language";
import { differs, pairsTable, slotsTable, VERDICTS, type Comparison, type SlotComparison } from "./compare";
import { DataTable, ScrollingTable } from "./data-table";
import { tableCsv } from "./table";

interface Props {
  result: Comparison;
  names: readonly [string, string];
  file: string;
  time_zone: string;
}

/** The totals in words, and one row for each space; its changes on demand. */
export function CompareResult({ result, names: [a, b], file, time_zone }: Props) {
  const [all, setAll] = useState(false);
  const slots = all ? result.slots : result.slots.filter(differs);
  const { totals } = result;
  const columns = [
    say("column.space"),
    ...VERDICTS.map((verdict) => say(`compare.column.${verdict}`)),
    say("compare.greatest"),
    say("changes.title"),
  ];
  return (
    <>
      <div className="history-count">
        <p role="status">
          <strong>{say("compare.names", { a, b })}</strong>{" "}
          {VERDICTS.map((verdict) => `${number(totals[verdict])} ${say(`compare.${verdict}`)}`).join(", ")}
        </p>
        <div className="history-tools">
          <CsvButton of={say("csv.spaces")} file={`${file}-spaces`} csv={() => tableCsv(slotsTable(slots))} />
          <CsvButton
            of={say("changes.file")}
            file={`${file}-changes`}
            csv={() => tableCsv(pairsTable(result, time_zone))}
          />
        </div>
      </div>
      <label className="table-filter">
        <input
          type="checkbox"
          checked={all}
          onChange={(event) => {
            setAll(event.target.checked);
          }}
        />
        {say("compare.all")}
      </label>
      {slots.length === 0 ? (
        <p className="empty muted">{say(result.slots.length > 0 ? "compare.equal" : "data.none")}</p>
      ) : (
        <ScrollingTable columns={columns} label={say("compare.title")}>
          {slots.map((slot) => (
            <SlotRow key={slot.slot_id} slot={slot} same_ms={result.same_ms} time_zone={time_zone} />
          ))}
        </ScrollingTable>
      )}
    </>
  );
}

interface RowProps {
  slot: SlotComparison;
  same_ms: number;
  time_zone: string;
}

function SlotRow({ slot, same_ms, time_zone }: RowProps) {
  const [open, setOpen] = useState(false);
  const { slot_id, greatest_ms } = slot;
  return (
    <>
      <tr>
        <th scope="row">{slot_id}</th>
        {VERDICTS.map((verdict) => (
          <td key={verdict} className="number">
            {number(slot[verdict])}
          </td>
        ))}
        <td className="number">{greatest_ms === null ? "–" : duration(greatest_ms)}</td>
        <td>
          <button
            type="button"
            className="link"
            aria-expanded={open}
            aria-label={say(open ? "compare.hide" : "compare.show", { space: slot_id })}
            onClick={() => {
              setOpen(!open);
            }}
          >
            {say(open ? "hide" : "show")}
          </button>
        </td>
      </tr>
      {open && (
        <tr>
          <td colSpan={VERDICTS.length + 3}>
            <DataTable
              table={pairsTable({ slots: [slot], same_ms }, time_zone)}
              label={say("compare.changesOf", { space: slot_id })}
            />
          </td>
        </tr>
      )}
    </>
  );
}
