import { useId, useState, type ReactNode } from "react";

import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { uploadPicture } from "../../shared/still-pictures";
import { jpegOf } from "./picture-file";
import { SavedNotice } from "./saved-notice";
import { Field, partRule } from "./source-fields";
import { useObjectUrl } from "./use-object-url";

interface Props {
  siteId: string;
  /** Chooses between this form and the one for an IP camera. */
  choice: ReactNode;
  onNew: () => void;
}

/** Uploads a picture in place of a camera's, so that the system can be tried without one. */
export function PictureForm({ siteId, choice, onNew }: Props) {
  const [site, setSite] = useState(siteId);
  const [name, setName] = useState("trial");
  const [file, setFile] = useState<File | null>(null);
  const [preview, setPreview] = useObjectUrl();
  const [savedId, setSavedId] = useState<string | null>(null);
  const titleId = useId();
  const cameraId = `${site}/${name}`;
  if (savedId) return <SavedNotice cameraId={savedId} what="picture" onNew={onNew} />;

  async function send() {
    if (!file) throw new Error(say("upload.missing"));
    const error = await uploadPicture(cameraId, await jpegOf(file));
    if (!error) setSavedId(cameraId);
    return error;
  }

  return (
    <section className="card sources-form" aria-labelledby={titleId}>
      <h2 id={titleId}>{say("empty.addCamera")}</h2>
      {choice}
      <OperatorForm
        className="sources-fields"
        action={say("upload.action")}
        send={send}
        sent=""
        hint={<p className="small muted sources-wide">{say("upload.hint")}</p>}
      >
        <Field label={say("lot")} placeholder="station" value={site} onValue={setSite} {...partRule()} />
        <Field label={say("source.name")} value={name} onValue={setName} {...partRule()} />
        <label className="field">
          {say("upload.picture")}
          <input
            type="file"
            accept="image/*"
            onChange={(event) => {
              const chosen = event.target.files?.[0] ?? null;
              setFile(chosen);
              setPreview(chosen);
            }}
          />
        </label>
      </OperatorForm>
      {preview && (
        <figure className="sources-picture">
          <img src={preview} alt={say("upload.chosen")} />
        </figure>
      )}
    </section>
  );
}
