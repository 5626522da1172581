import { useEffect, useRef } from "react";

import { duration, moment } from "../../shared/format";
import { spaceOfKind } from "../../shared/kinds";
import { say } from "../../shared/language";
import { stateWord } from "../../shared/slot-states";
import { confidenceWords, seenBy, whyWords } from "../../shared/slot-words";
import { StateMark } from "../../shared/state-mark";
import { useSeenAgo } from "../../shared/use-ages";
import { useNow } from "../../shared/use-now";
import type { CameraView, SlotView } from "../../shared/views";
import { SlotActions, SlotCorrection } from "./slot-actions";
import "./details.css";

interface Props {
  slot: SlotView;
  zoneName: string | undefined;
  cameras: readonly CameraView[];
  /** Describes the vehicle if it also stands over other spaces. */
  vehicle?: string | undefined;
  onClose: () => void;
}

/** Shows all facts about one slot, in a side panel or, on a phone, in a sheet at the bottom. */
export function SlotDetails({ slot, zoneName, cameras, vehicle, onClose }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const kind = spaceOfKind(slot.kind);
  const now = useNow();
  const seenAgo = useSeenAgo(cameras);

  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
  }, []);

  return (
    // Escape closes the panel wherever the focus is in it, like the button.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <section
      className="card details"
      aria-labelledby="details-title"
      data-testid="details"
      onKeyDown={(event) => {
        const inDialog = event.target instanceof Element && event.target.closest("dialog");
        if (event.key === "Escape" && !inDialog) onClose();
      }}
    >
      <div className="card-head">
        <h2 id="details-title" tabIndex={-1} ref={heading}>
          {say("details.title", { space: slot.slot_id })}
        </h2>
        <button type="button" className="icon-button" aria-label={say("details.close")} onClick={onClose}>
          <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
            <path d="M6 6l12 12M18 6L6 18" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
          </svg>
        </button>
      </div>
      <p className={`details-state details-${slot.state}`}>
        <StateMark state={slot.state} size={26} />
        <strong>{stateWord(slot.state)}</strong>
        {slot.changed_at_ms !== null && (
          <span>{say("for", { age: duration(now - slot.changed_at_ms) })}</span>
        )}
      </p>
      <dl>
        <Fact
          name={say("details.since")}
          value={slot.changed_at_ms === null ? say("details.neverSeen") : moment(slot.changed_at_ms, now)}
        />
        {slot.reason && <Fact name={say("details.reason")} value={whyWords(slot)} />}
        {vehicle && <Fact name={say("details.vehicle")} value={vehicle} />}
        <Fact name={say("confidence")} value={confidenceWords(slot)} />
        <Fact name={say("column.lastSeen")} value={seenAgo(slot)} />
        <Fact name={say("seenBy")} value={seenBy(slot, cameras)} />
        <Fact name={say("zone")} value={zoneName ?? slot.zone_id} />
        {kind && <Fact name={say("details.kind")} value={kind} />}
      </dl>
      {slot.state !== "closed" && (
        <details className="slot-correction">
          <summary>{say("details.wrong")}</summary>
          <SlotCorrection slot={slot} />
        </details>
      )}
      <SlotActions slot={slot} />
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
