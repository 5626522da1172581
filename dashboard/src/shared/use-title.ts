import { useEffect } from "react";

const NAME = "Smart Parking";

/** Sets the title of the browser's tab while the component is mounted. */
export function useTitle(text: string): void {
  useEffect(() => {
    document.title = `${text} – ${NAME}`;
    return () => {
      document.title = NAME;
    };
  }, [text]);
}
