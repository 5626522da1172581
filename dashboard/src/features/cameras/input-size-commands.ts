/** Reads and sets the size at which a camera's pictures are analysed. */
import { ApiError, getJson } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import { say } from "../../shared/language";
import { loadLayout, putLayout } from "../../shared/layout-requests";
import type { CameraView, InputSize } from "../../shared/views";

/** The usual sizes; a layout accepts any size from 160 to 2048. */
export const SIZES_PX = [480, 640, 800, 960, 1120, 1280] as const;

export async function inputSize(cameraId: string, signal: AbortSignal): Promise<InputSize | null> {
  const camera = await getJson<CameraView>(`/api/cameras/${cameraId}`, { signal });
  return camera.input ?? null;
}

/** Publishes the camera's layout again with this size; null: automatic. */
export async function setInputSize(cameraId: string, size_px: number | null): Promise<ApiError | null> {
  return withKey(async (key) => {
    const layout = await loadLayout(cameraId);
    if (!layout) throw new ApiError(404, say("size.noLayout"));
    await putLayout(cameraId, { ...layout, input_size_px: size_px }, layout.version, key);
  });
}

/** The choices of the form: the usual sizes, and the current one. */
export function choices(input: InputSize): number[] {
  const set = input.automatic || input.size_px === null ? [] : [input.size_px];
  return [...new Set([...SIZES_PX, ...set])].sort((a, b) => a - b);
}
