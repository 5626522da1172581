import { useEffect, useRef } from "react";

import { duration, moment } from "../../shared/format";
import { STATE_WORDS } from "../../shared/slot-states";
import { confidenceWords, reasonWords, seenBy } from "../../shared/slot-words";
import { StateMark } from "../../shared/state-mark";
import { useSeenAgo } from "../../shared/use-ages";
import { useNow } from "../../shared/use-now";
import type { CameraView, SlotView } from "../../shared/views";
import { SlotActions } from "./slot-actions";
import "./details.css";

interface Props {
  slot: SlotView;
  zoneName: string | undefined;
  cameras: readonly CameraView[];
  onClose: () => void;
}

const KINDS = {
  standard: null,
  accessible: "accessible space",
  ev: "space with a charger",
  motorcycle: "space for motorcycles",
};

/** All that is known of one slot. A side panel; on a phone it rises from below. */
export function SlotDetails({ slot, zoneName, cameras, onClose }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const now = useNow();
  const seenAgo = useSeenAgo(cameras);

  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
  }, []);

  return (
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
          Space {slot.slot_id}
        </h2>
        <button type="button" className="icon-button" aria-label="Close the details" onClick={onClose}>
          <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
            <path d="M6 6l12 12M18 6L6 18" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
          </svg>
        </button>
      </div>
      <p className={`details-state details-${slot.state}`}>
        <StateMark state={slot.state} size={26} />
        <strong>{STATE_WORDS[slot.state]}</strong>
        {slot.changed_at_ms !== null && <span>for {duration(now - slot.changed_at_ms)}</span>}
      </p>
      <dl>
        <Fact name="Since" value={slot.changed_at_ms === null ? "not seen yet" : moment(slot.changed_at_ms, now)} />
        {slot.reason && <Fact name="Reason" value={reasonWords(slot.reason)} />}
        <Fact name="Confidence" value={confidenceWords(slot)} />
        <Fact name="Last seen" value={seenAgo(slot)} />
        <Fact name="Seen by" value={seenBy(slot, cameras)} />
        <Fact name="Zone" value={zoneName ?? slot.zone_id} />
        {KINDS[slot.kind] && <Fact name="Kind" value={KINDS[slot.kind] ?? ""} />}
      </dl>
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
