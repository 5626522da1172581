import { useSyncExternalStore } from "react";

import { useClockOffsetMs } from "./use-live";

const listeners = new Set<() => void>();
let now_ms = Date.now();
let timer = 0;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ||= window.setInterval(() => {
    now_ms = Date.now();
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    window.clearInterval(timer);
    timer = 0;
  };
}

/** The server's time, renewed every second: one timer for the whole page. */
export function useNow(): number {
  const offset = useClockOffsetMs();
  return useSyncExternalStore(subscribe, () => now_ms) + offset;
}
