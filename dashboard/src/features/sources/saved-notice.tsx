import { siteOf, slotsAddress } from "../../shared/routes";
import { useCameras } from "../../shared/use-live";

interface Props {
  cameraId: string;
  isNew: boolean;
  onNew: () => void;
}

/** What comes after saving: the first picture, then the spaces. */
export function SavedNotice({ cameraId, isNew, onNew }: Props) {
  const camera = useCameras(siteOf(cameraId)).find((one) => one.camera_id === cameraId);
  const words = !camera
    ? "Saved. Waiting for its first picture; that takes a few seconds."
    : camera.status === "offline"
      ? "Saved, but it sends no picture yet. Its address or login may be wrong: try it below."
      : "Its first picture is here. You can draw its spaces.";
  return (
    <section className="card sources-form" data-testid="source-saved">
      <h2>{cameraId}</h2>
      <p role="status">{isNew ? words : "The change is saved."}</p>
      <div className="sources-actions">
        {camera && camera.status !== "offline" && (
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
