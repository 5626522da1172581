import { useMemo, useSyncExternalStore } from "react";

import { routeOf, type Route } from "../shared/routes";

export function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => {
    window.removeEventListener("hashchange", listener);
  };
}

/** The route in the page's address, so that views can be bookmarked. */
export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  return useMemo(() => routeOf(hash), [hash]);
}
