/** What the history page asks the API for (schemas/openapi.json). */
import { getJson, getPage } from "../../shared/api";
import type { SlotKind, SlotState } from "../../shared/views";

export interface OccupancySeries extends Record<SlotState, readonly number[]> {
  zone_id: string;
  kind: SlotKind;
}

export interface Occupancy {
  time_zone: string;
  from_ms: number;
  to_ms: number;
  bucket_ms: number;
  starts_ms: readonly number[];
  /** Slots in each state, averaged over each bucket. */
  series: readonly OccupancySeries[];
}

export interface Stays {
  count: number;
  p50_ms: number | null;
  p90_ms: number | null;
}

export interface SlotUsage {
  slot_id: string;
  zone_id: string;
  kind: SlotKind;
  free_ms: number;
  occupied_ms: number;
  unknown_ms: number;
  closed_ms: number;
  stays: Stays;
}

interface ZoneUsage {
  zone_id: string;
  slots: number;
  stays: Stays;
}

export interface HourUsage {
  /** 0: Monday. */
  weekday: number;
  hour: number;
  occupied_share: number | null;
}

export interface Usage {
  time_zone: string;
  from_ms: number;
  to_ms: number;
  stays: Stays;
  zones: readonly ZoneUsage[];
  slots: readonly SlotUsage[];
  hours: readonly HourUsage[];
}

export type Cause = "frame" | "tick" | "command" | "gate" | "device";

export interface PastChange {
  id: string;
  slot_id: string;
  zone_id: string;
  time_ms: number;
  from_state: SlotState;
  to_state: SlotState;
  version: number;
  dwell_ms: number | null;
  reason: string;
  cause_kind: Cause;
  camera_id: string | null;
}

export interface Past {
  occupancy: Occupancy;
  usage: Usage;
}

/** `parameters`: the site and the range, as a query. */
export async function loadPast(parameters: string, signal: AbortSignal): Promise<Past> {
  const [occupancy, usage] = await Promise.all([
    getJson<Occupancy>(`/api/history/occupancy?${parameters}`, { signal }),
    getJson<Usage>(`/api/history/usage?${parameters}`, { signal }),
  ]);
  return { occupancy, usage };
}

export interface ChangesPage {
  rows: readonly PastChange[];
  next: string | null;
}

/** A page of changes; `path` is the first page's or an earlier page's `next`. */
export async function loadChanges(path: string, signal: AbortSignal): Promise<ChangesPage> {
  const { rows, next } = await getPage(path, signal);
  return { rows: rows as PastChange[], next };
}

export interface StoredPicture {
  time_ms: number;
  /** The path of the JPEG. */
  url: string;
}

/** The stored pictures before and after a change; null where none is stored. */
interface ChangePictures {
  before: StoredPicture | null;
  after: StoredPicture | null;
  /** Why there is none after it. */
  missing: string | null;
}

export async function loadPictures(changeId: string, signal: AbortSignal): Promise<ChangePictures> {
  return getJson(`/api/history/evidence?${new URLSearchParams({ change: changeId }).toString()}`, { signal });
}
