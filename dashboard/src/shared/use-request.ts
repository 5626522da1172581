import { useCallback, useEffect, useState } from "react";

import { ApiError } from "./api";
import { say } from "./language";

export type Answer<T> =
  { state: "loading" } | { state: "failed"; message: string } | { state: "ready"; value: T };

/**
 * Requests something when `key` changes, and again on `again`. A newer request cancels an older one, so an
 * answer never belongs to another key.
 */
export function useRequest<T>(
  key: string,
  load: (key: string, signal: AbortSignal) => Promise<T>,
): { answer: Answer<T>; again: () => void } {
  const [tries, setTries] = useState(0);
  const [settled, setSettled] = useState<{ id: string; answer: Answer<T> } | null>(null);
  const id = `${tries} ${key}`;
  useEffect(() => {
    const request = new AbortController();
    load(key, request.signal).then(
      (value) => {
        if (!request.signal.aborted) setSettled({ id, answer: { state: "ready", value } });
      },
      (error: unknown) => {
        if (request.signal.aborted) return;
        const message = error instanceof ApiError ? error.message : say("api.unreadable");
        setSettled({ id, answer: { state: "failed", message } });
      },
    );
    return () => {
      request.abort();
    };
  }, [id, key, load]);
  const again = useCallback(() => {
    setTries((count) => count + 1);
  }, []);
  return { answer: settled?.id === id ? settled.answer : { state: "loading" }, again };
}
