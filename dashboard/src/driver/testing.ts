/** Values for the driver view's tests. */
import type { Counts } from "../shared/views";
import type { PublicSite } from "./public-site";

export const NOW_MS = 1_700_000_000_000;

export function counts(change: Partial<Counts> = {}): Counts {
  const all = { free: 0, occupied: 0, unknown: 0, closed: 0, ...change };
  return { ...all, total: all.free + all.occupied + all.unknown + all.closed };
}

/** A site with 3 free standard spaces of 10 and 1 free accessible one of 2, seen 5 s ago. */
export function publicSite(change: Partial<PublicSite> = {}): PublicSite {
  const standard = counts({ free: 3, occupied: 7 });
  const accessible = counts({ free: 1, occupied: 1 });
  return {
    name: "Station Square",
    time_zone: "Asia/Jakarta",
    directions: "https://maps.example/?q=lot",
    counts: counts({ free: 4, occupied: 8 }),
    kinds: [
      { kind: "standard", counts: standard },
      { kind: "accessible", counts: accessible },
    ],
    observed_at_ms: NOW_MS - 5_000,
    old_at_ms: NOW_MS + 10_000,
    expires_at_ms: NOW_MS + 115_000,
    seen_at_ms: NOW_MS - 5_000,
    reason: null,
    zones: [],
    ...change,
  };
}
