import { useState, type ReactNode } from "react";

import { isRefused, storedKey, storeKey } from "./api-key";
import { KeyDialog } from "./key-dialog";

type Phase =
  | { name: "idle"; fault?: string }
  | { name: "asking"; fault: string | null }
  | { name: "sending" }
  | { name: "sent" };

interface Props {
  className: string;
  /** What the button says. */
  action: string;
  /** Sends the command; null when it was taken. */
  send: () => Promise<Parameters<typeof isRefused>[0] | null>;
  /** Told once it was sent. */
  sent: string;
  /** Still waiting for what was sent before: not to be sent again. */
  waiting?: boolean;
  children?: ReactNode;
  /** Told below the button. */
  hint?: ReactNode;
}

/** A command that needs an operator's key: asks for the key where there is none or it is refused. */
export function OperatorForm({ className, action, send, sent, waiting = false, children, hint }: Props) {
  const [phase, setPhase] = useState<Phase>({ name: "idle" });
  const busy = waiting || phase.name === "sending";

  async function run(): Promise<void> {
    if (!storedKey()) {
      setPhase({ name: "asking", fault: null });
      return;
    }
    setPhase({ name: "sending" });
    const error = await send();
    if (!error) setPhase({ name: "sent" });
    else if (isRefused(error)) setPhase({ name: "asking", fault: error.message });
    else setPhase({ name: "idle", fault: error.message });
  }

  return (
    <>
      <form
        className={className}
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void run();
        }}
      >
        {children}
        {/* Not `disabled`: that would take the focus away from it. */}
        <button type="submit" className="button" aria-disabled={busy}>
          {action}
        </button>
        {hint}
        <p className="small muted" role="status">
          {phase.name === "sent" && sent}
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
