/** A camera that was moved: the layout that would fit it, and how to accept that. */
import { ApiError, getJson, put } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { LayoutPublished } from "../../shared/events";

export interface Proposal {
  camera_id: string;
  version: number;
  words: string;
  left_out: string[];
  layout: LayoutPublished;
}

/** The proposal and the layout in force, or why there is none. */
export interface Found {
  now: LayoutPublished;
  proposal: Proposal;
}

export async function findProposal(cameraId: string, signal: AbortSignal): Promise<Found | string> {
  const path = `/api/cameras/${cameraId}/layout`;
  try {
    const proposal = await getJson<Proposal>(`${path}/proposal`, { signal });
    return { now: await getJson<LayoutPublished>(path, { signal }), proposal };
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

/** Publishes exactly what was shown. */
export async function accept(proposal: Proposal): Promise<ApiError | null> {
  return withKey((key) => put(`/api/cameras/${proposal.camera_id}/layout`, proposal.layout, key));
}
