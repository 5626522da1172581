import { useState } from "react";

import { say } from "../../shared/language";
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
        action={say("find.action")}
        send={async () => {
          if (!draft.site) throw new Error(say("find.noLot"));
          return await findCameras(draft.site, setFound);
        }}
        sent={found ? answerWords(found.length) : ""}
        hint={<p className="small muted sources-wide">{say("find.hint")}</p>}
      />
      {found && found.length > 0 && (
        <ul className="sources-list" aria-label={say("find.found")}>
          {found.map((camera) => (
            <FoundRow key={camera.service} camera={camera} draft={draft} onDraft={onDraft} />
          ))}
        </ul>
      )}
    </div>
  );
}

function answerWords(count: number): string {
  return count ? say("find.answered", { count }) : say("find.none");
}
