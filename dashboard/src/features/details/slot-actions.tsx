import { useState } from "react";

import { isRefused, storedKey, storeKey } from "../../shared/api-key";
import { KeyDialog } from "../../shared/key-dialog";
import type { SlotView } from "../../shared/views";
import { send, type Command } from "./slot-commands";

type Phase =
  | { name: "idle"; fault?: string }
  | { name: "asking"; fault: string | null }
  | { name: "sending" }
  | { name: "sent"; version: number };

/** Take the slot out of service, or put it back. What comes of it arrives on the event stream. */
export function SlotActions({ slot }: { slot: SlotView }) {
  const [phase, setPhase] = useState<Phase>({ name: "idle" });
  const [reason, setReason] = useState("");
  const command: Command = slot.state === "closed" ? "open" : "close";
  const waiting = phase.name === "sent" && slot.version <= phase.version;
  const busy = waiting || phase.name === "sending";

  async function run(): Promise<void> {
    if (!storedKey()) {
      setPhase({ name: "asking", fault: null });
      return;
    }
    setPhase({ name: "sending" });
    const error = await send(slot.site_id, slot.slot_id, command, reason.trim());
    if (!error) setPhase({ name: "sent", version: slot.version });
    else if (isRefused(error)) setPhase({ name: "asking", fault: error.message });
    else setPhase({ name: "idle", fault: error.message });
  }

  return (
    <>
      <form
        className="slot-actions"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void run();
        }}
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
        {/* Not `disabled`: that would take the focus away from it. */}
        <button type="submit" className="button" aria-disabled={busy}>
          {command === "close" ? "Close this space" : "Open this space again"}
        </button>
        <p className="small muted" role="status">
          {waiting && "Sent. It shows as soon as the tracker has taken it."}
        </p>
        {phase.name === "idle" && phase.fault && (
          <p className="fault" role="alert">
            {phase.fault}
          </p>
        )}
      </form>
      {phase.name === "asking" && (
        <KeyDialog
          fault={phase.fault}
          onKey={(key) => {
            storeKey(key);
            void run();
          }}
          onCancel={() => {
            setPhase({ name: "idle" });
          }}
        />
      )}
    </>
  );
}
