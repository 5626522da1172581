/** Pictures that somebody uploads to try the system, in place of a camera's. */
import { stream } from "../stream";
import { sendPicture, type ApiError } from "./api";
import { withKey } from "./api-key";
import type { Live } from "./live";
import { siteOf } from "./routes";

/** `X-Frame-Via` of an uploaded picture. */
export const UPLOADED = "api";
/** The interval of a camera whose pictures are uploaded. Its spaces keep their states for five of them. */
export const STILL_INTERVAL_MS = 3_600_000;

/** Times that a picture is sent for its spaces. Each needs two observations; some stay in doubt. */
const MOST_SENT = 5;
const PAUSE_MS = 2_000;

export function uploadPicture(cameraId: string, jpeg: Blob): Promise<ApiError | null> {
  return withKey((key) => sendPicture(`/api/cameras/${cameraId}/picture`, jpeg, key));
}

/**
 * Sends the picture again until every space of this version of the layout has a state: there is no next
 * picture by which they would be judged. Continues even if the page shows something else.
 */
export async function judgeAgain(
  cameraId: string,
  version: number,
  jpeg: Blob,
  pause_ms = PAUSE_MS,
): Promise<ApiError | null> {
  for (let sent = 0; sent < MOST_SENT; sent++) {
    const error = await uploadPicture(cameraId, jpeg);
    if (error) return error;
    await new Promise((resolve) => setTimeout(resolve, pause_ms));
    if (isJudged(stream.getState().live, cameraId, version)) break;
  }
  return null;
}

export function isJudged({ cameras, sites }: Live, cameraId: string, version: number): boolean {
  const camera = cameras[cameraId];
  const states = sites[siteOf(cameraId)]?.slots;
  if (!camera || camera.layout_version < version) return false;
  return camera.slots.every(({ slot_id }) => (states?.[slot_id]?.state ?? "unknown") !== "unknown");
}
