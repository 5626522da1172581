import { useMemo, useState } from "react";

import { duration } from "../../shared/format";
import type { Site } from "../../shared/live";
import { STATE_WORDS, STATES } from "../../shared/slot-states";
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

const NATURAL = new Intl.Collator(undefined, { numeric: true });

/** The plan as a table: for screen readers, for printing, and to find one slot. */
export function SlotTable({ site, cameras, selected, onSelect }: Props) {
  const [only, setOnly] = useState<SlotState | "all">("all");
  const now = useNow();
  const seenAgo = useSeenAgo(cameras);
  const vehicles = useMemo(() => vehiclesOverSeveral(site.slots), [site.slots]);
  const zones = new Map(site.zones.map((zone) => [zone.zone_id, zone.name]));
  const slots = Object.values(site.slots)
    .filter((slot) => only === "all" || slot.state === only)
    .sort((a, b) => NATURAL.compare(a.slot_id, b.slot_id));
  return (
    <>
      <label className="table-filter">
        Show
        <select
          value={only}
          onChange={(event) => {
            setOnly(STATES.find((state) => state === event.target.value) ?? "all");
          }}
        >
          <option value="all">all spaces</option>
          {STATES.map((state) => (
            <option key={state} value={state}>
              only {STATE_WORDS[state]}
            </option>
          ))}
        </select>
      </label>
      <div className="table-frame">
        <table>
          <thead>
            <tr>
              <th scope="col">Space</th>
              <th scope="col">State</th>
              <th scope="col">For</th>
              <th scope="col">Zone</th>
              <th scope="col">Confidence</th>
              <th scope="col">Seen by</th>
              <th scope="col">Last seen</th>
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
                  <StateMark state={slot.state} /> {STATE_WORDS[slot.state]}
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
        {slots.length === 0 && <p className="empty muted">No spaces.</p>}
      </div>
    </>
  );
}
