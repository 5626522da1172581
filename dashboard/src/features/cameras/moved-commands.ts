/** Finds a layout that fits a moved camera, and accepts it. */
import { ApiError, getJson } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { LayoutPublished } from "../../shared/events";
import { say } from "../../shared/language";
import { layoutPath, loadLayout, putLayout } from "../../shared/layout-requests";

export interface Proposal {
  camera_id: string;
  version: number;
  words: string;
  left_out: string[];
  layout: LayoutPublished;
}

/** A proposal, beside the layout in force. */
export interface Found {
  now: LayoutPublished;
  proposal: Proposal;
}

/** Returns the proposal, or why there is none. */
export async function findProposal(cameraId: string, signal: AbortSignal): Promise<Found | string> {
  try {
    const proposal = await getJson<Proposal>(`${layoutPath(cameraId)}/proposal`, { signal });
    const now = await loadLayout(cameraId, signal);
    return now ? { now, proposal } : say("moved.removed");
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

/** Publishes exactly the proposed layout, in place of the version for which it was proposed. */
export async function accept({ camera_id, layout, version }: Proposal): Promise<ApiError | null> {
  return withKey(async (key) => {
    await putLayout(camera_id, layout, version, key);
  });
}
