import { useEffect, useRef, useState } from "react";

import { countStates } from "../../shared/counts";
import type { SlotChanged } from "../../shared/events";
import type { Site } from "../../shared/live";
import { announcement } from "./announcement";

const EVERY_MS = 10_000;

/** Announces changes to screen readers, at most once in ten seconds. */
export function Announcer({ changes, slots }: { changes: readonly SlotChanged[]; slots: Site["slots"] }) {
  const [words, setWords] = useState("");
  const latest = useRef({ changes, slots });
  const announced = useRef(new Set(changes.map((change) => change.id)));

  useEffect(() => {
    latest.current = { changes, slots };
  }, [changes, slots]);

  useEffect(() => {
    const timer = window.setInterval(() => {
      const now = latest.current;
      const fresh = now.changes.filter((change) => !announced.current.has(change.id)).reverse();
      announced.current = new Set(now.changes.map((change) => change.id));
      if (fresh.length > 0) setWords(announcement(fresh, countStates(Object.values(now.slots))));
    }, EVERY_MS);
    return () => {
      window.clearInterval(timer);
    };
  }, []);

  return (
    <p className="visually-hidden" role="status" aria-live="polite">
      {words}
    </p>
  );
}
