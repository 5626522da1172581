import { useMemo, useState } from "react";

import { say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { drawingsOf } from "../../shared/plan/drawings";
import { LotPlans } from "../../shared/plan/lot-plans";
import { Rich } from "../../shared/rich";
import { stateWord, STATES } from "../../shared/slot-states";
import { confidenceWords, reasonWords, seenBy, stateFor } from "../../shared/slot-words";
import { StateMark } from "../../shared/state-mark";
import { vehiclesOverSeveral } from "../../shared/straddling";
import { useOldSlots, useSeenAgo } from "../../shared/use-ages";
import { useNow } from "../../shared/use-now";
import type { CameraView, SlotView } from "../../shared/views";
import { SlotTable } from "./slot-table";

interface Props {
  site: Site;
  cameras: readonly CameraView[];
  selected: string | null;
  onSelect: (slotId: string) => void;
}

export function PlanPanel({ site, cameras, selected, onSelect }: Props) {
  const [view, setView] = useState<"plan" | "table">("plan");
  const [pointed, setPointed] = useState<string | null>(null);
  const drawings = useMemo(() => drawingsOf(site, cameras), [site, cameras]);
  const slots = useMemo(() => Object.values(site.slots), [site.slots]);
  const old = useOldSlots(slots, cameras);
  const vehicles = useMemo(() => vehiclesOverSeveral(site.slots), [site.slots]);
  const shown = site.slots[pointed ?? selected ?? ""];

  return (
    <section className="card plan-panel" aria-labelledby="plan-title">
      <div className="card-head">
        <h2 id="plan-title">{say("plan.title")}</h2>
        {drawings.length > 0 && <ViewSwitch view={view} onChange={setView} />}
      </div>
      {drawings.length === 0 && <NoLayout site={site} />}
      {drawings.length > 0 && view === "table" && (
        <SlotTable site={site} cameras={cameras} selected={selected} onSelect={onSelect} />
      )}
      {drawings.length > 0 && view === "plan" && (
        <>
          <LotPlans
            drawings={drawings}
            name={site.name}
            old={old}
            vehicles={vehicles}
            selected={selected}
            onSelect={onSelect}
            onPoint={setPointed}
          />
          <div className="plan-foot">
            {shown ? (
              <Readout slot={shown} cameras={cameras} vehicle={vehicles.get(shown.slot_id)} />
            ) : (
              <Legend />
            )}
          </div>
        </>
      )}
    </section>
  );
}

function ViewSwitch({ view, onChange }: { view: string; onChange: (view: "plan" | "table") => void }) {
  return (
    <div className="segments" role="group" aria-label={say("plan.showAs")}>
      {(["plan", "table"] as const).map((each) => (
        <button
          key={each}
          type="button"
          aria-pressed={view === each}
          onClick={() => {
            onChange(each);
          }}
        >
          {say(each === "plan" ? "plan" : "table")}
        </button>
      ))}
    </div>
  );
}

interface ReadoutProps {
  slot: SlotView;
  cameras: readonly CameraView[];
  vehicle: string | undefined;
}

/** One line about the slot under the pointer or in focus. */
function Readout({ slot, cameras, vehicle }: ReadoutProps) {
  const now = useNow();
  const seenAgo = useSeenAgo(cameras);
  return (
    <p className="readout">
      <StateMark state={slot.state} />
      <strong>{slot.slot_id}</strong>
      <span>{stateFor(slot, now)}</span>
      {vehicle && <span>{vehicle}</span>}
      {slot.state === "unknown" || slot.state === "closed" ? (
        <span className="muted">
          {reasonWords(slot.reason)}
          {slot.state === "unknown" && `, ${say("lastSeen", { ago: seenAgo(slot) })}`}
        </span>
      ) : (
        <span className="muted">
          {say("plan.evidence", {
            confidence: confidenceWords(slot),
            cameras: seenBy(slot, cameras),
            ago: seenAgo(slot),
          })}
        </span>
      )}
    </p>
  );
}

function Legend() {
  return (
    <ul className="legend" aria-label={say("plan.legend")}>
      {STATES.map((state) => (
        <li key={state}>
          <span className={`legend-slot legend-${state}`}>
            <StateMark state={state} size={14} />
          </span>
          {stateWord(state)}
        </li>
      ))}
      <li>
        <svg className="legend-slot legend-old" aria-hidden="true">
          <rect width="100%" height="100%" fill="url(#old-stripes)" />
        </svg>
        {say("plan.old")}
      </li>
    </ul>
  );
}

function NoLayout({ site }: { site: Site }) {
  return (
    <div className="empty">
      <p>
        <strong>{say("plan.noLayout", { site: site.name })}</strong> {say("plan.noLayout.why")}
      </p>
      <p className="muted">
        <Rich
          message="plan.noLayout.todo"
          parts={{ command: <code>parking layout publish FILE.json</code> }}
          values={{ draw: say("cameras.draw") }}
        />
      </p>
    </div>
  );
}
