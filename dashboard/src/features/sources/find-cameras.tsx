import { useState } from "react";

import { plural } from "../../shared/format";
import { OperatorForm } from "../../shared/operator-form";
import { findCameras } from "./source-commands";
import type { Draft, FoundCamera } from "./source-draft";
import { FoundRow } from "./found-row";

interface Props {
  draft: Draft;
  onDraft: (draft: Draft) => void;
}

/** Searches the server's network for ONVIF cameras. A stream that is chosen fills the form. */
export function FindCameras({ draft, onDraft }: Props) {
  const [found, setFound] = useState<readonly FoundCamera[] | null>(null);
  return (
    <div className="sources-find">
      <OperatorForm
        className="sources-fields"
        action="Find cameras"
        send={async () => {
          if (!draft.site) throw new Error("Enter the lot first: the search is for its administrators.");
          return await findCameras(draft.site, setFound);
        }}
        sent={found ? answerWords(found.length) : ""}
        hint={
          <p className="small muted sources-wide">
            Searches the server&apos;s network for cameras with ONVIF. Takes 5 seconds. If you know the
            address, enter it below.
          </p>
        }
      />
      {found && found.length > 0 && (
        <ul className="sources-list" aria-label="Cameras found">
          {found.map((camera) => (
            <FoundRow key={camera.service} camera={camera} draft={draft} onDraft={onDraft} />
          ))}
        </ul>
      )}
    </div>
  );
}

function answerWords(count: number): string {
  if (count) return `${plural(count, "camera")} answered.`;
  return "No camera answered. Is ONVIF on, and is the camera in the server's network and in CAMERAS_NETWORKS?";
}
