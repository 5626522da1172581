import { useMemo } from "react";

import { duration, percent } from "../../shared/format";
import { spaceOfKind } from "../../shared/kinds";
import { say } from "../../shared/language";
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
    <DataPanel
      title={say("use.title")}
      file={`${file}-spaces`}
      table={slotsTable(slots)}
      picture={say("bars")}
    >
      <ol className="history-bars">
        {slots.map((slot) => (
          <li key={slot.slot_id}>
            <button
              type="button"
              className="link"
              title={say("use.changes", { space: slot.slot_id })}
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
              aria-label={say("use.meter", { space: slot.slot_id })}
            />
            <span className="number">{slot.occupied === null ? "–" : percent(slot.occupied / 100)}</span>
            <span className="muted small">
              {say("use.stays", { count: slot.stays.count })}
              {slot.stays.p50_ms !== null && `, ${say("stays.half")} ${duration(slot.stays.p50_ms)}`}
            </span>
          </li>
        ))}
      </ol>
    </DataPanel>
  );
}
