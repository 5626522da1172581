import { useEffect, useState } from "react";

import { apiUrl } from "../../shared/api";
import { isRefused, storedKey, storeKey } from "../../shared/api-key";
import type { LayoutPublished } from "../../shared/events";
import { KeyDialog } from "../../shared/key-dialog";
import type { CameraView } from "../../shared/views";
import { accept, findProposal, type Found, type Proposal } from "./moved-commands";

type Phase =
  | { name: "idle"; fault?: string }
  | { name: "asking"; fault: string | null }
  | { name: "sending" }
  | { name: "sent" };

/** For a camera that was moved: where its spaces would be now, for an operator to accept. */
export function MovedPanel({ camera }: { camera: CameraView }) {
  const found = useProposal(camera.camera_id, camera.layout_version);
  return (
    <section className="input-size" aria-label={`${camera.name} was moved`} data-testid="moved">
      <p>
        <strong>This camera seems to have been moved.</strong>{" "}
        <span className="muted">Its spaces are unknown until the outlines fit again.</span>
      </p>
      {typeof found === "string" && <p className="muted">No new outlines to propose: {found}.</p>}
      {found !== null && typeof found === "object" && <Proposed found={found} />}
    </section>
  );
}

function useProposal(cameraId: string, layoutVersion: number): Found | string | null {
  const [told, setTold] = useState<{ of: string; found: Found | string } | null>(null);
  const of = `${cameraId} ${layoutVersion}`;
  useEffect(() => {
    const asking = new AbortController();
    findProposal(cameraId, asking.signal).then(
      (found) => {
        if (!asking.signal.aborted) setTold({ of, found });
      },
      () => {
        // Aborted: another camera is shown.
      },
    );
    return () => {
      asking.abort();
    };
  }, [cameraId, of]);
  return told?.of === of ? told.found : null;
}

function Proposed({ found: { now, proposal } }: { found: Found }) {
  const leftOut = proposal.left_out;
  return (
    <>
      <p>
        The picture lies {proposal.words} from where the outlines were drawn.
        {leftOut.length > 0 && ` No longer in view: ${leftOut.join(", ")}.`}
      </p>
      <div className="moved-figure">
        <img src={apiUrl(`/api/cameras/${proposal.camera_id}/latest.jpg`)} alt="" />
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
          <Outlines layout={now} className="moved-old" />
          <Outlines layout={proposal.layout} className="moved-new" />
        </svg>
      </div>
      <p className="small muted">Dashed: the outlines now. Solid: as proposed.</p>
      <AcceptForm proposal={proposal} />
    </>
  );
}

function Outlines({ layout, className }: { layout: LayoutPublished; className: string }) {
  const shown = layout.slots.filter((slot) => slot.enabled !== false);
  return shown.map((slot) => (
    <polygon key={slot.slot_id} className={className} points={slot.polygon.map((p) => p.join(",")).join(" ")} />
  ));
}

function AcceptForm({ proposal }: { proposal: Proposal }) {
  const [phase, setPhase] = useState<Phase>({ name: "idle" });
  const busy = phase.name === "sending";

  async function run(): Promise<void> {
    if (!storedKey()) {
      setPhase({ name: "asking", fault: null });
      return;
    }
    setPhase({ name: "sending" });
    const error = await accept(proposal);
    if (!error) setPhase({ name: "sent" });
    else if (isRefused(error)) setPhase({ name: "asking", fault: error.message });
    else setPhase({ name: "idle", fault: error.message });
  }

  return (
    <>
      <form
        className="input-size-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void run();
        }}
      >
        {/* Not `disabled`: that would take the focus away from it. */}
        <button type="submit" className="button" aria-disabled={busy}>
          Accept the proposed outlines
        </button>
        <p className="small muted" role="status">
          {phase.name === "sent" && "Accepted. They count from the next picture."}
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
