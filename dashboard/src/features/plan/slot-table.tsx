import { useMemo, useState } from "react";

import { duration } from "../../shared/format";
import { compareNames, say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { stateWord, STATES } from "../../shared/slot-states";
import { confidenceWords, seenBy, whyWords } from "../../shared/slot-words";
import { StateMark } from "../../shared/state-mark";
import { vehiclesOverSeveral } from "../../shared/straddling";
import { useSeenAgo } from "../../shared/use-ages";
import { useNow } from "../../shared/use-now";
import type { CameraView, SlotState } from "../../shared/views";
import "../../shared/table.css";

interface Props {
  site: Site;
  cameras: readonly CameraView[];
  selected: string | null;
  onSelect: (slotId: string) => void;
}

/** The plan as a table: for screen readers, for printing, and to find one slot. */
export function SlotTable({ site, cameras, selected, onSelect }: Props) {
  const [only, setOnly] = useState<SlotState | "all">("all");
  const now = useNow();
  const seenAgo = useSeenAgo(cameras);
  const vehicles = useMemo(() => vehiclesOverSeveral(site.slots), [site.slots]);
  const zones = new Map(site.zones.map((zone) => [zone.zone_id, zone.name]));
  const slots = Object.values(site.slots)
    .filter((slot) => only === "all" || slot.state === only)
    .sort((a, b) => compareNames(a.slot_id, b.slot_id));
  return (
    <>
      <label className="table-filter">
        {say("show")}
        <select
          value={only}
          onChange={(event) => {
            setOnly(STATES.find((state) => state === event.target.value) ?? "all");
          }}
        >
          <option value="all">{say("table.all")}</option>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {say("table.only", { state: stateWord(state) })}
            </option>
          ))}
        </select>
      </label>
      <div className="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">{say("column.space")}</th>
              <th scope="col">{say("column.state")}</th>
              <th scope="col">{say("column.for")}</th>
              <th scope="col">{say("zone")}</th>
              <th scope="col">{say("confidence")}</th>
              <th scope="col">{say("seenBy")}</th>
              <th scope="col">{say("column.lastSeen")}</th>
            </tr>
          </thead>
          <tbody>
            {slots.map((slot) => (
              <tr key={slot.slot_id} className={slot.slot_id === selected ? "row-selected" : ""}>
                <th scope="row">
                  <button
                    type="button"
                    className="link"
                    onClick={() => {
                      onSelect(slot.slot_id);
                    }}
                  >
                    {slot.slot_id}
                  </button>
                </th>
                <td>
                  <StateMark state={slot.state} /> {stateWord(slot.state)}
                  {vehicles.has(slot.slot_id) && (
                    <span className="muted"> ({vehicles.get(slot.slot_id)})</span>
                  )}
                  {(slot.state === "unknown" || slot.state === "closed" || slot.issued_by) && (
                    <span className="muted">: {whyWords(slot)}</span>
                  )}
                </td>
                <td>{slot.changed_at_ms === null ? "–" : duration(now - slot.changed_at_ms)}</td>
                <td>{zones.get(slot.zone_id) ?? slot.zone_id}</td>
                <td>{confidenceWords(slot)}</td>
                <td>{seenBy(slot, cameras)}</td>
                <td>{seenAgo(slot)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {slots.length === 0 && <p className="empty muted">{say("table.none")}</p>}
      </div>
    </>
  );
}
