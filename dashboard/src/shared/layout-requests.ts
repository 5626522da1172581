/** Reads and replaces a camera's layout at the notifier. */
import { ApiError, getJson, send } from "./api";
import type { LayoutPublished } from "./events";

export const layoutPath = (cameraId: string) => `/api/cameras/${cameraId}/layout`;

/** Returns null if the camera has no layout. */
export async function loadLayout(cameraId: string, signal?: AbortSignal): Promise<LayoutPublished | null> {
  try {
    return await getJson<LayoutPublished>(layoutPath(cameraId), signal ? { signal } : {});
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Replaces version `expected` of the layout (0: the camera has none) and returns the new version. Throws
 * an ApiError with status 412 if another version is in force. */
export async function putLayout(
  cameraId: string,
  body: object,
  expected: number,
  key: string,
  query = "",
): Promise<number> {
  const headers = { "If-Match": `"${expected}"` };
  const { version } = await send<{ version: number }>(
    "PUT",
    layoutPath(cameraId) + query,
    body,
    key,
    headers,
  );
  return version;
}
