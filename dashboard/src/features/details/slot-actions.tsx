import { useState } from "react";

import { OperatorForm } from "../../shared/operator-form";
import type { SlotView } from "../../shared/views";
import { send, type Command } from "./slot-commands";

/** Take the slot out of service, or put it back. What comes of it arrives on the event stream. */
export function SlotActions({ slot }: { slot: SlotView }) {
  const [sentAt, setSentAt] = useState<number | null>(null);
  const [reason, setReason] = useState("");
  const command: Command = slot.state === "closed" ? "open" : "close";
  const waiting = sentAt !== null && slot.version <= sentAt;
  return (
    <OperatorForm
      className="slot-actions"
      action={command === "close" ? "Close this space" : "Open this space again"}
      send={async () => {
        const error = await send(slot.site_id, slot.slot_id, command, reason.trim());
        setSentAt(error ? null : slot.version);
        return error;
      }}
      sent={waiting ? "Sent. It shows as soon as the tracker has taken it." : ""}
      waiting={waiting}
    >
      {command === "close" && (
        <label className="field">
          Why (optional)
          <input
            type="text"
            maxLength={200}
            placeholder="for example: being resurfaced"
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
