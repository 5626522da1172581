import { useMemo } from "react";

import { duration, plural } from "../../shared/format";
import { spaceOfKind } from "../../shared/kinds";
import { DataPanel } from "./data-panel";
import type { Usage } from "./requests";
import { slotsTable, usedSlots } from "./summaries";

interface Props {
  usage: Usage;
  zones: ReadonlyMap<string, string>;
  file: string;
  onSelect: (slotId: string) => void;
}

/** How much each space was used, the most occupied first. */
export function SlotsPanel({ usage, zones, file, onSelect }: Props) {
  const slots = useMemo(() => usedSlots(usage.slots, zones), [usage.slots, zones]);
  return (
    <DataPanel title="Use of each space" file={`${file}-spaces`} table={slotsTable(slots)} picture="Bars">
      <ol className="history-bars">
        {slots.map((slot) => (
          <li key={slot.slot_id}>
            <button
              type="button"
              className="link"
              title={`Changes of ${slot.slot_id}`}
              onClick={() => {
                onSelect(slot.slot_id);
              }}
            >
              {slot.slot_id}
            </button>
            <span className="muted small">
              {[slot.zone, spaceOfKind(slot.kind)].filter(Boolean).join(", ")}
            </span>
            <meter
              min={0}
              max={100}
              value={slot.occupied ?? 0}
              aria-label={`${slot.slot_id} occupied, percent of the known time`}
            />
            <span className="number">{slot.occupied === null ? "–" : `${Math.round(slot.occupied)} %`}</span>
            <span className="muted small">
              {plural(slot.stays.count, "stay")}
              {slot.stays.p50_ms !== null && `, half leave within ${duration(slot.stays.p50_ms)}`}
            </span>
          </li>
        ))}
      </ol>
    </DataPanel>
  );
}
