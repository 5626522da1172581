import type { SlotChanged } from "../../shared/events";
import { clock, duration, small } from "../../shared/format";
import { say } from "../../shared/language";
import { stateWord } from "../../shared/slot-states";
import { reasonWords } from "../../shared/slot-words";
import { StateMark } from "../../shared/state-mark";
import "./changes.css";

interface Props {
  changes: readonly SlotChanged[];
  onSelect: (slotId: string) => void;
}

/** The most recent changes, newest first. */
export function ChangeFeed({ changes, onSelect }: Props) {
  return (
    <section className="card feed" aria-labelledby="feed-title">
      <div className="card-head">
        <h2 id="feed-title">{say("feed.title")}</h2>
      </div>
      {changes.length === 0 && <p className="empty muted">{say("feed.none")}</p>}
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
                  <strong>{change.slot_id}</strong> {stateWord(change.from_state)}
                  <span aria-hidden="true"> → </span>
                  <span className="visually-hidden"> {say("to")} </span>
                  <strong>{stateWord(change.to_state)}</strong>
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
  const device = camera_id?.split("/")[1] ?? say("feed.aCamera");
  const by = {
    frame: say("feed.seenBy", { camera: device }),
    tick: reasonWords(reason),
    command: say("feed.by", { name: issued_by ?? say("feed.anOperator") }),
    gate: say("feed.byGate"),
    device: reasonWords(reason),
  }[cause.kind];
  if (typeof dwell_ms !== "number") return by;
  return say("feed.cause", { age: duration(dwell_ms), state: stateWord(from_state), by: small(by) });
}
