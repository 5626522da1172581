/** Unlimited undo and redo. Pure: values never change, so they can share their parts. */
export interface History<T> {
  readonly past: readonly Step<T>[];
  readonly now: T;
  readonly future: readonly Step<T>[];
}

interface Step<T> {
  readonly value: T;
  /** Describes the change from this value to the next one. */
  readonly label: string;
  /** Consecutive steps with the same `merge` become one. */
  readonly merge: string | null;
}

export function begin<T>(now: T): History<T> {
  return { past: [], now, future: [] };
}

/** Adds a step. Consecutive steps with the same `merge` are undone together. */
export function commit<T>(
  history: History<T>,
  now: T,
  label: string,
  merge: string | null = null,
): History<T> {
  if (now === history.now) return history;
  const last = history.past.at(-1);
  if (merge !== null && last?.merge === merge) {
    return { past: [...history.past.slice(0, -1), { ...last, label }], now, future: [] };
  }
  return { past: [...history.past, { value: history.now, label, merge }], now, future: [] };
}

/** The value before the steps with this `merge`; the present one if the last step is another. */
export function beforeMerge<T>({ past, now }: History<T>, merge: string): T {
  const last = past.at(-1);
  return last?.merge === merge ? last.value : now;
}

export function undo<T>({ past, now, future }: History<T>): History<T> | null {
  const last = past.at(-1);
  if (!last) return null;
  return { past: past.slice(0, -1), now: last.value, future: [...future, { ...last, value: now }] };
}

export function redo<T>({ past, now, future }: History<T>): History<T> | null {
  const next = future.at(-1);
  if (!next) return null;
  return { past: [...past, { ...next, value: now }], now: next.value, future: future.slice(0, -1) };
}
