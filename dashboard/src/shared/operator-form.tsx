import { useState, type ReactNode } from "react";

import { ApiError } from "./api";
import { isKeyMissing, isRefused, storeKey } from "./api-key";
import { Fault } from "./fault";
import { KeyDialog } from "./key-dialog";

type Phase =
  | { name: "idle"; fault?: string }
  | { name: "asking"; fault: string | null }
  | { name: "sending" }
  | { name: "sent" };

interface Props {
  className: string;
  /** The button's text. */
  action: string;
  /** Sends the command. Returns null if it was accepted, else the error. */
  send: () => Promise<ApiError | null>;
  /** Shown after the command was sent. */
  sent: string;
  /** True while the last command is still under way: it is not sent again. */
  waiting?: boolean;
  children?: ReactNode;
  /** Shown below the button. */
  hint?: ReactNode;
}

/** An error of the page itself. It is shown too, so that the form does not wait for ever. */
function faultOf(thrown: unknown): ApiError {
  return new ApiError(0, thrown instanceof Error ? thrown.message : String(thrown));
}

/** A form for a command. Unless somebody signed in, it needs an API key: asks for one if there is none or
 * it is refused. */
export function OperatorForm({ className, action, send, sent, waiting = false, children, hint }: Props) {
  const [phase, setPhase] = useState<Phase>({ name: "idle" });
  const busy = waiting || phase.name === "sending";

  async function run(): Promise<void> {
    if (isKeyMissing()) {
      setPhase({ name: "asking", fault: null });
      return;
    }
    setPhase({ name: "sending" });
    const error = await send().catch(faultOf);
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
        {/* `disabled` would take the focus away. */}
        <button type="submit" className="button" aria-disabled={busy}>
          {action}
        </button>
        {hint}
        <p className="small muted" role="status">
          {phase.name === "sent" && sent}
        </p>
        {phase.name === "idle" && <Fault words={phase.fault ?? null} />}
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
