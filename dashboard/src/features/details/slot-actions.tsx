import { useState } from "react";

import { OperatorForm } from "../../shared/operator-form";
import type { SlotView } from "../../shared/views";
import { send, type Command } from "./slot-commands";

/** Takes the slot out of service, or puts it back. The result arrives on the event stream. */
export function SlotActions({ slot }: { slot: SlotView }) {
  const [sentAt, setSentAt] = useState<number | null>(null);
  const [reason, setReason] = useState("");
  const command: Command = slot.state === "closed" ? "open" : "close";
  const waiting = sentAt !== null && slot.version <= sentAt;
  return (
    <OperatorForm
      className="slot-actions"
      action={command === "close" ? "Close this space" : "Reopen this space"}
      send={async () => {
        const error = await send(slot.site_id, slot.slot_id, command, reason.trim());
        setSentAt(error ? null : slot.version);
        return error;
      }}
      sent={waiting ? "Sent. Waiting for the tracker…" : ""}
      waiting={waiting}
    >
      {command === "close" && (
        <label className="field">
          Reason (optional)
          <input
            type="text"
            maxLength={200}
            placeholder="for example: resurfacing"
            value={reason}
            onChange={(event) => {
              setReason(event.target.value);
            }}
          />
        </label>
      )}
    </OperatorForm>
  );
}

/** Corrects the state of the slot until its cameras disagree long enough. */
export function SlotCorrection({ slot }: { slot: SlotView }) {
  const [state, setState] = useState<"free" | "occupied">(slot.state === "free" ? "occupied" : "free");
  return (
    <OperatorForm
      className="slot-actions"
      action="Correct the state"
      send={() => send(slot.site_id, slot.slot_id, "correct", "", state)}
      sent="Sent. The correction applies until a camera sees something else."
    >
      <label className="field">
        Actual state
        <select
          value={state}
          onChange={(event) => {
            setState(event.target.value === "free" ? "free" : "occupied");
          }}
        >
          <option value="free">free</option>
          <option value="occupied">occupied</option>
        </select>
      </label>
    </OperatorForm>
  );
}
