import { useEffect, useState, type RefObject } from "react";

/** Whether the element is on the screen, in the active tab. */
export function useVisible(element: RefObject<Element | null>): boolean {
  const [onScreen, setOnScreen] = useState(false);
  const [inFront, setInFront] = useState(!document.hidden);

  useEffect(() => {
    const observer = new IntersectionObserver((entries) => {
      setOnScreen(entries.at(-1)?.isIntersecting ?? false);
    });
    if (element.current) observer.observe(element.current);
    const changed = () => {
      setInFront(!document.hidden);
    };
    document.addEventListener("visibilitychange", changed);
    return () => {
      observer.disconnect();
      document.removeEventListener("visibilitychange", changed);
    };
  }, [element]);

  return onScreen && inFront;
}
