import { useSyncExternalStore } from "react";

import { stream } from "../stream";
import type { Live } from "./live";
import { useClockOffsetMs } from "./use-live";

const listeners = new Set<() => void>();
let now_ms = Date.now();
let sightings: Live["sightings"] = {};
let timer = 0;

function look(): void {
  now_ms = Date.now();
  sightings = stream.getState().live.sightings;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === 0) {
    look();
    timer = window.setInterval(() => {
      look();
      for (const each of listeners) each();
    }, 1_000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    window.clearInterval(timer);
    timer = 0;
  };
}

/** The server's time, updated every second by one timer for the whole page. */
export function useNow(): number {
  const offset = useClockOffsetMs();
  return useSyncExternalStore(subscribe, () => now_ms) + offset;
}

/** The server's time in steps, because a large table need not render every second. */
export function useNowInSteps(step_ms: number): number {
  const offset = useClockOffsetMs();
  return useSyncExternalStore(subscribe, () => Math.floor((now_ms + offset) / step_ms) * step_ms);
}

/** The sightings of each camera, read once a second, because a hundred cameras report more often. */
export function useSightings(): Live["sightings"] {
  return useSyncExternalStore(subscribe, () => sightings);
}
