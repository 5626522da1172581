import { useState } from "react";

/** The value at the beginning of each step, because a large table need not render every second. */
export function useSampled<T>(value: T, step: number): T {
  const [sample, setSample] = useState({ step, value });
  if (sample.step === step) return sample.value;
  setSample({ step, value });
  return value;
}
