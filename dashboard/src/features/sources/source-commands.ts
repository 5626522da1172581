/** IP cameras, which the server polls. Their logins are sent to it and never returned. */
import { ApiError, getJson, remove, send, sendForBlob } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { AskedCamera, FoundCamera, NewSource, Source, StreamProfile } from "./source-draft";

const path = (cameraId: string, rest = "") => `/api/cameras/${cameraId}/source${rest}`;

/** Passes the lot's cameras to `show`, or returns the error. */
export function listSources(
  siteId: string,
  show: (sources: readonly Source[]) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await getJson<readonly Source[]>(`/api/sites/${siteId}/sources`, { key }));
  });
}

/** Passes the ONVIF cameras that answer to `show`. Takes a few seconds. */
export function findCameras(
  siteId: string,
  show: (found: readonly FoundCamera[]) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await send<readonly FoundCamera[]>("POST", `/api/sites/${siteId}/sources/find`, {}, key));
  });
}

/** Passes the streams of one of them to `show`. */
export function listStreams(
  siteId: string,
  asked: AskedCamera,
  show: (streams: readonly StreamProfile[]) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await send<readonly StreamProfile[]>("POST", `/api/sites/${siteId}/sources/profiles`, asked, key));
  });
}

/** Gets one picture, without storing anything. The error says why there is none. */
export function trySource(
  cameraId: string,
  source: NewSource,
  show: (picture: Blob) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await sendForBlob(path(cameraId, "/try"), source, key));
  });
}

export function saveSource(cameraId: string, source: NewSource): Promise<ApiError | null> {
  return withKey(async (key) => {
    await send<Source>("PUT", path(cameraId), source, key);
  });
}

/** Stops polling the camera, then removes it with its spaces. */
export function removeSource(cameraId: string): Promise<ApiError | null> {
  return withKey(async (key) => {
    await ignoreMissing(remove(path(cameraId), key));
    await ignoreMissing(remove(`/api/cameras/${cameraId}`, key)); // there is none if it never sent a picture
  });
}

/** Ignores that it is missing already. */
async function ignoreMissing(request: Promise<void>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
}
