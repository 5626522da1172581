import type { SlotChanged } from "../../shared/events";
import { clock, duration } from "../../shared/format";
import { STATE_WORDS } from "../../shared/slot-states";
import { reasonWords } from "../../shared/slot-words";
import { StateMark } from "../../shared/state-mark";
import "./changes.css";

interface Props {
  changes: readonly SlotChanged[];
  onSelect: (slotId: string) => void;
}

/** The last changes, newest first. */
export function ChangeFeed({ changes, onSelect }: Props) {
  return (
    <section className="card feed" aria-labelledby="feed-title">
      <div className="card-head">
        <h2 id="feed-title">Last changes</h2>
      </div>
      {changes.length === 0 && (
        <p className="empty muted">No changes yet. Arrivals and departures appear here.</p>
      )}
      <ol className="feed-list" data-testid="feed">
        {changes.map((change) => (
          <li key={change.id} data-change={change.id} data-slot-changed={change.slot_id}>
            <button
              type="button"
              onClick={() => {
                onSelect(change.slot_id);
              }}
            >
              <StateMark state={change.to_state} size={20} />
              <span className="feed-what">
                <span>
                  <strong>{change.slot_id}</strong> {STATE_WORDS[change.from_state]}
                  <span aria-hidden="true"> → </span>
                  <span className="visually-hidden"> to </span>
                  <strong>{STATE_WORDS[change.to_state]}</strong>
                </span>
                <span className="muted small">{causeWords(change)}</span>
              </span>
              <time className="muted small" dateTime={new Date(change.time_ms).toISOString()}>
                {clock(change.time_ms)}
              </time>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** How long the previous state lasted, and what caused the change. */
function causeWords({ cause, camera_id, dwell_ms, from_state, reason, issued_by }: SlotChanged): string {
  const device = camera_id?.split("/")[1] ?? "a camera";
  const by = {
    frame: `seen by ${device}`,
    tick: reasonWords(reason),
    command: `by ${issued_by ?? "an operator"}`,
    gate: "by the gate",
    device: reasonWords(reason),
  }[cause.kind];
  if (typeof dwell_ms !== "number") return by;
  return `${duration(dwell_ms)} ${STATE_WORDS[from_state]}, ${by.charAt(0).toLowerCase()}${by.slice(1)}`;
}
