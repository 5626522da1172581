import { useEffect, useState } from "react";

/** The value after it has not changed for a while. */
export function useSettled<T>(value: T, rest_ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => {
      setSettled(value);
    }, rest_ms);
    return () => {
      clearTimeout(timer);
    };
  }, [value, rest_ms]);
  return settled;
}
