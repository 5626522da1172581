import { useId, useState, type ReactNode } from "react";

import { say } from "../../shared/language";
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
  if (savedId) return <SavedNotice cameraId={savedId} what={isNew ? "camera" : "change"} onNew={onNew} />;
  const change = (next: Draft) => {
    setDraft(next);
    setPicture(null);
  };
  return (
    <section className="card sources-form" aria-labelledby={titleId}>
      <h2 id={titleId}>{isNew ? say("empty.addCamera") : say("source.changeOf", { camera: cameraId })}</h2>
      {isNew && choice}
      {isNew && <FindCameras draft={draft} onDraft={change} />}
      <OperatorForm
        className="sources-fields"
        action={say("source.try")}
        send={() => trySource(cameraId, bodyOf(draft), setPicture)}
        sent=""
        hint={<p className="small muted">{say("source.tryHint")}</p>}
      >
        <SourceFields draft={draft} onDraft={change} />
      </OperatorForm>
      {picture && (
        <figure className="sources-picture" role="status">
          <img src={picture} alt={say("source.sees", { camera: cameraId })} />
          <figcaption>{say("source.answers")}</figcaption>
        </figure>
      )}
      <OperatorForm
        className="sources-save"
        action={say(isNew ? "source.save" : "source.saveChange")}
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
          {say("cancel")}
        </button>
      )}
    </section>
  );
}

/** The second button does not check the fields of the first one's form. */
function missingWords({ site, name, url, interval_s }: Draft): string {
  const part = new RegExp(`^${PART}$`);
  if (!part.test(site)) return say("source.noLot");
  if (!part.test(name)) return say("source.noName");
  if (!url.trim()) return say("source.noAddress");
  return Number(interval_s) > 0 ? "" : say("source.noInterval");
}
