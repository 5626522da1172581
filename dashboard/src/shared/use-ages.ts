/** The ages of a site's slots, updated every second. */
import { useMemo } from "react";

import { evidenceOf, oldSlots, seenAgo } from "./ages";
import { useNow, useSightings } from "./use-now";
import type { CameraView, SlotView } from "./views";

/** Returns a function that says when a slot was last seen, such as "12 s ago". */
export function useSeenAgo(cameras: readonly CameraView[]): (slot: SlotView) => string {
  const now = useNow();
  const sightings = useSightings();
  const byId = useById(cameras);
  return (slot) => seenAgo(evidenceOf(slot, byId, sightings), now);
}

/** The slots with old evidence, each with its age in words. */
export function useOldSlots(
  slots: readonly SlotView[],
  cameras: readonly CameraView[],
): ReadonlyMap<string, string> {
  const now = useNow();
  return oldSlots(slots, useById(cameras), useSightings(), now);
}

function useById(cameras: readonly CameraView[]): ReadonlyMap<string, CameraView> {
  return useMemo(() => new Map(cameras.map((camera) => [camera.camera_id, camera])), [cameras]);
}
