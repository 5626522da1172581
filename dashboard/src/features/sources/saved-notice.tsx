import { say } from "../../shared/language";
import { siteOf, slotsAddress } from "../../shared/routes";
import { useCameras } from "../../shared/use-live";

interface Props {
  cameraId: string;
  what: "camera" | "change" | "picture";
  onNew: () => void;
}

/** What comes after saving: the first picture, then the spaces. */
export function SavedNotice({ cameraId, what, onNew }: Props) {
  const camera = useCameras(siteOf(cameraId)).find((one) => one.camera_id === cameraId);
  const status = camera?.status ?? null;
  return (
    <section className="card sources-form" data-testid="source-saved">
      <h2>{cameraId}</h2>
      <p role="status">{savedWords(what, status)}</p>
      <div className="sources-actions">
        {camera && (what === "picture" || status !== "offline") && (
          <a className="button button-main" href={slotsAddress(cameraId)}>
            {say("saved.draw")}
          </a>
        )}
        <button type="button" className="button" onClick={onNew}>
          {say("saved.another")}
        </button>
      </div>
    </section>
  );
}

/** By the camera's status, which is null before its first picture was read. */
function savedWords(what: Props["what"], status: string | null): string {
  if (what === "change") return say("saved.change");
  if (status === null) return say(`saved.${what}.waiting`);
  return say(what === "camera" && status === "offline" ? "saved.camera.offline" : `saved.${what}.ready`);
}
