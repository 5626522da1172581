import { useId, useState, type ReactNode } from "react";

import { OperatorForm } from "../../shared/operator-form";
import { saveSource, trySource } from "./source-commands";
import { bodyOf, cameraIdOf, type Draft } from "./source-draft";
import { PART, SourceFields } from "./source-fields";
import { FindCameras } from "./find-cameras";
import { SavedNotice } from "./saved-notice";
import { useObjectUrl } from "./use-object-url";

interface Props {
  start: Draft;
  /** Chooses what a new camera is. */
  choice: ReactNode;
  /** Called with the lot of the camera that was saved. */
  onSaved: (site: string) => void;
  /** Asks for an empty form. */
  onNew: () => void;
}

/** Adds or changes one camera. "Try" shows its picture, or the reason why there is none. */
export function SourceForm({ start, choice, onSaved, onNew }: Props) {
  const [draft, setDraft] = useState(start);
  const [picture, setPicture] = useObjectUrl();
  const [savedId, setSavedId] = useState<string | null>(null);
  const titleId = useId();
  const cameraId = cameraIdOf(draft);
  const isNew = draft.version === 0;
  if (savedId) return <SavedNotice cameraId={savedId} what={isNew ? "new camera" : "change"} onNew={onNew} />;
  const change = (next: Draft) => {
    setDraft(next);
    setPicture(null);
  };
  return (
    <section className="card sources-form" aria-labelledby={titleId}>
      <h2 id={titleId}>{isNew ? "Add a camera" : `Change ${cameraId}`}</h2>
      {isNew && choice}
      {isNew && <FindCameras draft={draft} onDraft={change} />}
      <OperatorForm
        className="sources-fields"
        action="Try"
        send={() => trySource(cameraId, bodyOf(draft), setPicture)}
        sent=""
        hint={<p className="small muted">Requests one picture from the camera. Nothing is stored.</p>}
      >
        <SourceFields draft={draft} onDraft={change} />
      </OperatorForm>
      {picture && (
        <figure className="sources-picture" role="status">
          <img src={picture} alt={`What ${cameraId} sees now`} />
          <figcaption>The camera answers. Save it if this is the right view.</figcaption>
        </figure>
      )}
      <OperatorForm
        className="sources-save"
        action={isNew ? "Save the camera" : "Save the change"}
        send={async () => {
          const missing = missingWords(draft);
          if (missing) throw new Error(missing);
          const error = await saveSource(cameraId, bodyOf(draft));
          if (!error) {
            setSavedId(cameraId);
            onSaved(draft.site);
          }
          return error;
        }}
        sent=""
      />
      {!isNew && (
        <button type="button" className="button" onClick={onNew}>
          Cancel
        </button>
      )}
    </section>
  );
}

/** The second button does not check the fields of the first one's form. */
function missingWords({ site, name, url, interval_s }: Draft): string {
  const part = new RegExp(`^${PART.pattern}$`);
  if (!part.test(site)) return "Enter the lot: a to z, 0 to 9 and -.";
  if (!part.test(name)) return "Enter a name for the camera: a to z, 0 to 9 and -.";
  if (!url.trim()) return "Enter the address of the camera.";
  return Number(interval_s) > 0 ? "" : "Enter the seconds between pictures.";
}
