import { useEffect, useState } from "react";

import { apiUrl } from "../../shared/api";
import type { LayoutPublished } from "../../shared/events";
import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import type { CameraView } from "../../shared/views";
import { accept, findProposal, type Found } from "./moved-commands";

/** Shows where the spaces of a moved camera are now, for an operator to accept. */
export function MovedPanel({ camera }: { camera: CameraView }) {
  const found = useProposal(camera.camera_id, camera.layout_version);
  return (
    <section
      className="input-size"
      aria-label={say("moved.label", { camera: camera.name })}
      data-testid="moved"
    >
      <p>
        <strong>{say("moved.title")}</strong> <span className="muted">{say("moved.what")}</span>
      </p>
      {typeof found === "string" && <p className="muted">{say("moved.none", { why: found })}</p>}
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
        {say("moved.change", { change: proposal.words })}
        {leftOut.length > 0 && ` ${say("moved.leftOut", { spaces: leftOut.join(", ") })}`}
      </p>
      <div className="moved-figure">
        <img src={apiUrl(`/api/cameras/${proposal.camera_id}/latest.jpg`)} alt="" />
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
          <Outlines layout={now} className="moved-old" />
          <Outlines layout={proposal.layout} className="moved-new" />
        </svg>
      </div>
      <p className="small muted">{say("moved.legend")}</p>
      <OperatorForm
        className="input-size-form"
        action={say("moved.accept")}
        send={() => accept(proposal)}
        sent={say("moved.accepted")}
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
