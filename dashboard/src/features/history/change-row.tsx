import { useId, useState } from "react";

import { duration } from "../../shared/format";
import { say, type Key } from "../../shared/language";
import { stateWord } from "../../shared/slot-states";
import { StateMark } from "../../shared/state-mark";
import { changeReason } from "./change-filter";
import { ChangePictures } from "./change-pictures";
import type { PastChange } from "./requests";
import { dayOf, exactTime } from "./times";

export const CHANGE_COLUMNS: readonly Key[] = [
  "column.time",
  "column.space",
  "column.change",
  "column.beforeFor",
  "column.why",
  "column.pictures",
];

/** One change in the list; its pictures on demand. */
export function ChangeRow({ change, time_zone }: { change: PastChange; time_zone: string }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const { time_ms, slot_id, from_state, to_state, dwell_ms } = change;
  const when = `${dayOf(time_ms, time_zone)} ${exactTime(time_ms, time_zone)}`;
  return (
    <>
      <tr>
        <th scope="row">
          <time dateTime={new Date(time_ms).toISOString()}>{when}</time>
        </th>
        <td>{slot_id}</td>
        <td>
          <StateMark state={to_state} /> {stateWord(from_state)}
          <span aria-hidden="true"> → </span>
          <span className="visually-hidden"> {say("to")} </span>
          <strong>{stateWord(to_state)}</strong>
        </td>
        <td>{dwell_ms === null ? "–" : duration(dwell_ms)}</td>
        <td>{changeReason(change)}</td>
        <td>
          {change.cause_kind === "frame" && (
            <button
              type="button"
              className="link"
              aria-expanded={open}
              aria-controls={open ? id : undefined}
              aria-label={say(open ? "changes.hidePictures" : "changes.showPictures", {
                space: slot_id,
                when,
              })}
              onClick={() => {
                setOpen(!open);
              }}
            >
              {say(open ? "hide" : "show")}
            </button>
          )}
        </td>
      </tr>
      {open && (
        <tr id={id}>
          <td colSpan={CHANGE_COLUMNS.length}>
            <ChangePictures changeId={change.id} slotId={slot_id} time_zone={time_zone} />
          </td>
        </tr>
      )}
    </>
  );
}
