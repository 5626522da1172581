import { useEffect, useRef } from "react";

/**
 * Moves the focus to the page's `h1` when `page` changes, so that screen readers announce the new page.
 * Waits for a page that is still loading; does nothing on the first page or once the user is in `main`.
 */
export function useHeadingFocus(page: string): void {
  const shown = useRef(page);
  useEffect(() => {
    const main = document.querySelector("main");
    if (shown.current === page || !main) return;
    shown.current = page;
    if (focusHeading(main)) return;
    const observer = new MutationObserver(() => {
      if (main.contains(document.activeElement) || focusHeading(main)) observer.disconnect();
    });
    observer.observe(main, { childList: true, subtree: true });
    return () => {
      observer.disconnect();
    };
  }, [page]);
}

/** Fails while the previous page is still there but hidden, because its heading does not take the
 * focus. */
function focusHeading(main: Element): boolean {
  const heading = main.querySelector("h1");
  if (!heading) return false;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  if (document.activeElement !== heading) return false;
  window.scrollTo(0, 0);
  return true;
}
