import { useEffect, useState } from "react";

import { apiUrl } from "../../shared/api";
import type { LayoutPublished } from "../../shared/events";
import { OperatorForm } from "../../shared/operator-form";
import type { CameraView } from "../../shared/views";
import { accept, findProposal, type Found } from "./moved-commands";

/** Shows where the spaces of a moved camera are now, for an operator to accept. */
export function MovedPanel({ camera }: { camera: CameraView }) {
  const found = useProposal(camera.camera_id, camera.layout_version);
  return (
    <section className="input-size" aria-label={`${camera.name} was moved`} data-testid="moved">
      <p>
        <strong>This camera seems to have been moved.</strong>{" "}
        <span className="muted">Its spaces are unknown until their outlines fit again.</span>
      </p>
      {typeof found === "string" && <p className="muted">No new outlines can be proposed: {found}.</p>}
      {found !== null && typeof found === "object" && <Proposed found={found} />}
    </section>
  );
}

function useProposal(cameraId: string, layoutVersion: number): Found | string | null {
  const [answer, setAnswer] = useState<{ of: string; found: Found | string } | null>(null);
  const of = `${cameraId} ${layoutVersion}`;
  useEffect(() => {
    const request = new AbortController();
    findProposal(cameraId, request.signal).then(
      (found) => {
        if (!request.signal.aborted) setAnswer({ of, found });
      },
      () => {
        // Aborted, because another camera is shown.
      },
    );
    return () => {
      request.abort();
    };
  }, [cameraId, of]);
  return answer?.of === of ? answer.found : null;
}

function Proposed({ found: { now, proposal } }: { found: Found }) {
  const leftOut = proposal.left_out;
  return (
    <>
      <p>
        Change since the outlines were drawn: {proposal.words}.
        {leftOut.length > 0 && ` No longer in view: ${leftOut.join(", ")}.`}
      </p>
      <div className="moved-figure">
        <img src={apiUrl(`/api/cameras/${proposal.camera_id}/latest.jpg`)} alt="" />
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
          <Outlines layout={now} className="moved-old" />
          <Outlines layout={proposal.layout} className="moved-new" />
        </svg>
      </div>
      <p className="small muted">Dashed: current outlines. Solid: proposed outlines.</p>
      <OperatorForm
        className="input-size-form"
        action="Accept the proposed outlines"
        send={() => accept(proposal)}
        sent="Accepted. They apply from the next picture."
      />
    </>
  );
}

function Outlines({ layout, className }: { layout: LayoutPublished; className: string }) {
  const shown = layout.slots.filter((slot) => slot.enabled !== false);
  return shown.map((slot) => (
    <polygon
      key={slot.slot_id}
      className={className}
      points={slot.polygon.map((p) => p.join(",")).join(" ")}
    />
  ));
}
