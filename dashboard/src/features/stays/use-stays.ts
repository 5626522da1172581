import { useEffect, useRef, useState } from "react";

import { ApiError } from "../../shared/api";
import { useClockOffsetMs } from "../../shared/use-live";
import { useNowInSteps } from "../../shared/use-now";
import { loadDrift, loadEnded, loadInside } from "./stay-commands";
import type { Stay } from "./stays";

const AT_MOST_EVERY_MS = 3_000;
const AT_LEAST_EVERY_MS = 30_000;

interface Stays {
  inside: readonly Stay[];
  ended: readonly Stay[];
  drift: readonly Stay[];
  /** The server's time when they were read. */
  at_ms: number;
}

/**
 * A lot's stays, read again when the gates' count changes and every half a minute. A failed reading keeps
 * the old stays and is returned as `fault`.
 */
export function useStays(
  siteId: string,
  inside: number,
  endedLimit: number,
): { stays: Stays | null; fault: string } {
  const [stays, setStays] = useState<Stays | null>(null);
  const [fault, setFault] = useState("");
  const offset = useClockOffsetMs();
  const turn = useNowInSteps(AT_LEAST_EVERY_MS);
  const readAt = useRef(0);

  useEffect(() => {
    const stop = new AbortController();
    const read = async () => {
      readAt.current = Date.now();
      const { signal } = stop;
      const [open, ended, drift] = await Promise.all([
        loadInside(siteId, signal),
        loadEnded(siteId, endedLimit, signal),
        loadDrift(siteId, signal),
      ]);
      setStays({ inside: open, ended, drift, at_ms: Date.now() + offset });
      setFault("");
    };
    const wait_ms = Math.max(0, readAt.current + AT_MOST_EVERY_MS - Date.now());
    const timer = window.setTimeout(() => {
      read().catch((error: unknown) => {
        if (!stop.signal.aborted) setFault(error instanceof ApiError ? error.message : String(error));
      });
    }, wait_ms);
    return () => {
      window.clearTimeout(timer);
      stop.abort();
    };
  }, [siteId, inside, endedLimit, turn, offset]);

  return { stays, fault };
}
