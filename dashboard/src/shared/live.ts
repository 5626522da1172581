/** The state of the page: only types, so that live-state.ts and layouts.ts can share them. */
import type { SlotChanged, Zone } from "./events";
import type { CameraView, Sighting, SlotView } from "./views";

export interface Site {
  site_id: string;
  name: string;
  zones: readonly Zone[];
  slots: Readonly<Record<string, SlotView>>;
  /** Slots that no layout names, no longer or not yet: neither shown nor counted. */
  undrawn: Readonly<Record<string, SlotView>>;
  /** Vehicles inside by the gates' count. */
  open_sessions: number;
  /** Vehicles that fit inside, as the tracker said at the last stay; null before that. */
  capacity?: number | null;
  /** Anybody may see the driver view `/p/SITE`. */
  public: boolean;
}

/** `version`: of the last camera-status that was applied, 0 before the first. */
export type Seen = Sighting & { version: number };

export interface Live {
  /** False until the first snapshot: an empty `sites` does not yet mean that there is no site. */
  loaded: boolean;
  sites: Readonly<Record<string, Site>>;
  cameras: Readonly<Record<string, CameraView>>;
  /** By camera. Kept apart from `cameras`, which then stay identical while only times change. */
  sightings: Readonly<Record<string, Seen>>;
  /** Newest first. */
  changes: readonly SlotChanged[];
  /** Server clock minus ours. */
  clockOffsetMs: number;
  /** The server's time when Kafka stopped answering it; null while it gets new data. */
  stillSinceMs: number | null;
  /** Services that have made no progress since then (server time) although records wait for them. */
  stagesStillSinceMs: Readonly<Record<string, number>>;
  /** Ids of the last counted session events, because events may be delivered twice. */
  sessionIds: readonly string[];
}
