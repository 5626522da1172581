import { useEffect, useMemo, useRef, useState } from "react";

import { storeDraft, type Draft } from "./draft";

/** A drag changes the drawing with every move of the pointer, so it is stored only once the pointer
 * rests. */
const REST_MS = 300;

/** Stores the draft, at the latest when the page is left; null deletes it. Returns false if the browser
 * could not store it. */
export function useDraft(cameraId: string, draft: Draft | null): boolean {
  const base = draft?.base;
  const drawing = draft?.drawing;
  const kept = useMemo(() => (drawing && base !== undefined ? { base, drawing } : null), [base, drawing]);
  const [fits, setFits] = useState(true);
  const waiting = useRef<(() => void) | null>(null);

  useEffect(() => {
    const store = (): void => {
      waiting.current = null;
      setFits(storeDraft(cameraId, kept));
    };
    waiting.current = store;
    const timer = window.setTimeout(store, REST_MS);
    return () => {
      window.clearTimeout(timer);
    };
  }, [cameraId, kept]);

  useEffect(() => {
    const flush = (): void => {
      waiting.current?.();
    };
    window.addEventListener("pagehide", flush);
    return () => {
      window.removeEventListener("pagehide", flush);
      flush();
    };
  }, []);

  useEffect(() => {
    if (!kept) return undefined;
    const ask = (event: BeforeUnloadEvent): void => {
      if (!fits) event.preventDefault();
    };
    window.addEventListener("beforeunload", ask);
    return () => {
      window.removeEventListener("beforeunload", ask);
    };
  }, [fits, kept]);
  return fits;
}
