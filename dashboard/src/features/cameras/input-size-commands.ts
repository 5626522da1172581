/** How large the pictures of a camera are looked at: what the server says, and how to set it. */
import { getJson, put, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { LayoutPublished } from "../../shared/events";
import type { CameraView, InputSize } from "../../shared/views";

/** Steps worth choosing from; the layout takes any from 160 to 2048. */
export const SIZES_PX = [480, 640, 800, 960, 1120, 1280] as const;

export async function inputSize(cameraId: string, signal: AbortSignal): Promise<InputSize | null> {
  const camera = await getJson<CameraView>(`/api/cameras/${cameraId}`, { signal });
  return camera.input ?? null;
}

/** Publishes the camera's layout again with this size; null is "by need". */
export async function setInputSize(cameraId: string, size_px: number | null): Promise<ApiError | null> {
  const path = `/api/cameras/${cameraId}/layout`;
  return withKey(async (key) => {
    const layout = await getJson<LayoutPublished>(path);
    await put(path, { ...layout, input_size_px: size_px }, key);
  });
}

/** The choices a form offers: the usual ones and, if it is another one, what is set now. */
export function choices(input: InputSize): number[] {
  const set = input.automatic || input.size_px === null ? [] : [input.size_px];
  return [...new Set([...SIZES_PX, ...set])].sort((a, b) => a - b);
}
