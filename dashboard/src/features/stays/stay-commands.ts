/** Requests about stays: vehicles inside, corrections of the count, and plates. */
import { getJson, getPage, post, send, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { Stay } from "./stays";

const PAGE = 1_000;
type Page = Awaited<ReturnType<typeof getPage>>;

/** Every stay that is open now, page by page. */
export async function loadInside(siteId: string, signal: AbortSignal): Promise<Stay[]> {
  const found = new Map<string, Stay>();
  let next: string | null = `/api/sessions?site=${siteId}&open=true&limit=${PAGE}`;
  while (next !== null) {
    const page: Page = await getPage(next, signal);
    for (const stay of page.rows as Stay[]) found.set(stay.session_id, stay);
    next = page.next;
  }
  return [...found.values()];
}

/** The last ended stays, newest first. */
export async function loadEnded(siteId: string, limit: number, signal: AbortSignal): Promise<Stay[]> {
  return getJson<Stay[]>(`/api/sessions?site=${siteId}&open=false&limit=${limit}`, { signal });
}

/** The last reports of gate drift, newest first. */
export async function loadDrift(siteId: string, signal: AbortSignal): Promise<Stay[]> {
  return getJson<Stay[]>(`/api/sessions?site=${siteId}&drift=true`, { signal });
}

/** States how many vehicles are inside. */
export function recount(siteId: string, number_in: number): Promise<ApiError | null> {
  return withKey((key) => post(`/api/sites/${siteId}/recount`, { number_in }, key));
}

/** Counts a vehicle that the gate did not see. */
export function countOne(siteId: string, direction: "entry" | "exit"): Promise<ApiError | null> {
  return withKey((key) => post(`/api/sessions/${direction}`, { site_id: siteId }, key));
}

export interface Plates {
  entry_plate: string | null;
  exit_plate: string | null;
}

/** The plates of one stay. The server logs who read them. */
export function readPlates(stay: Stay, show: (plates: Plates) => void): Promise<ApiError | null> {
  const path = `/api/sites/${stay.site_id}/plates?session=${encodeURIComponent(stay.session_id)}`;
  return withKey(async (key) => {
    show(await getJson<Plates>(path, { key }));
  });
}

/** Stays of a plate: the open ones and the last ended ones. */
export function searchPlate(
  siteId: string,
  plate: string,
  show: (stays: Stay[]) => void,
): Promise<ApiError | null> {
  return withKey(async (key) => {
    show(await send<Stay[]>("POST", `/api/sites/${siteId}/plates/search`, { plate }, key));
  });
}
