import { useState } from "react";

import { say } from "../../shared/language";
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
      action={say(command === "close" ? "details.closeSpace" : "details.reopen")}
      send={async () => {
        const error = await send(slot.site_id, slot.slot_id, command, reason.trim());
        setSentAt(error ? null : slot.version);
        return error;
      }}
      sent={waiting ? say("details.sent") : ""}
      waiting={waiting}
    >
      {command === "close" && (
        <label className="field">
          {say("details.reasonField")}
          <input
            type="text"
            maxLength={200}
            placeholder={say("details.reasonExample")}
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
      action={say("details.correct")}
      send={() => send(slot.site_id, slot.slot_id, "correct", "", state)}
      sent={say("details.corrected")}
    >
      <label className="field">
        {say("details.actual")}
        <select
          value={state}
          onChange={(event) => {
            setState(event.target.value === "free" ? "free" : "occupied");
          }}
        >
          <option value="free">{say("state.free")}</option>
          <option value="occupied">{say("state.occupied")}</option>
        </select>
      </label>
    </OperatorForm>
  );
}
