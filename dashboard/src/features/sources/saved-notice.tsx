import { siteOf, slotsAddress } from "../../shared/routes";
import { useCameras } from "../../shared/use-live";

interface Props {
  cameraId: string;
  what: "new camera" | "change" | "picture";
  onNew: () => void;
}

/** What comes after saving: the first picture, then the spaces. */
export function SavedNotice({ cameraId, what, onNew }: Props) {
  const camera = useCameras(siteOf(cameraId)).find((one) => one.camera_id === cameraId);
  const status = camera?.status ?? null;
  return (
    <section className="card sources-form" data-testid="source-saved">
      <h2>{cameraId}</h2>
      <p role="status">{WORDS[what](status)}</p>
      <div className="sources-actions">
        {camera && (what === "picture" || status !== "offline") && (
          <a className="button button-main" href={slotsAddress(cameraId)}>
            Draw its spaces
          </a>
        )}
        <button type="button" className="button" onClick={onNew}>
          Add another camera
        </button>
      </div>
    </section>
  );
}

/** By the camera's status, which is null before its first picture was read. */
const WORDS: Readonly<Record<Props["what"], (status: string | null) => string>> = {
  "new camera": (status) =>
    status === null
      ? "Saved. Waiting for its first picture; that takes a few seconds."
      : status === "offline"
        ? "Saved, but it sends no picture yet. Its address or login may be wrong: try it below."
        : "Its first picture is here. You can draw its spaces.",
  change: () => "The change is saved.",
  picture: (status) =>
    status === null
      ? "Uploaded. Waiting until the picture is read; that takes a few seconds."
      : "The picture is here. You can draw its spaces.",
};
