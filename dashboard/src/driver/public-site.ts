/** The answer of `GET /api/v1/public/{site}` (see schemas/openapi.json). */
import type { Counts, SlotKind } from "../shared/views";

export type Unseen = "no-picture" | "view-blocked" | "unclear" | "not-set-up";

export interface KindView {
  kind: SlotKind;
  counts: Counts;
}

/** Counts, and when they become old and are no longer shown as the present ones. */
export interface Part {
  name: string;
  counts: Counts;
  kinds: readonly KindView[];
  observed_at_ms: number | null;
  old_at_ms: number | null;
  expires_at_ms: number | null;
  reason: Unseen | null;
}

export interface PublicZone extends Part {
  zone_id: string;
}

export interface PublicSite extends Part {
  time_zone: string | null;
  directions: string | null;
  seen_at_ms: number | null;
  zones: readonly PublicZone[];
}
