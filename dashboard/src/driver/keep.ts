/** Keeps the last known counts, and the page itself, for when there is no network. */
import type { State } from "./state";

type Kept = Pick<State, "site" | "offset_ms">;

/** Changed whenever the stored format changes, so that a new version does not read old data. */
const FORM = "1";
const CACHE = "driver";
/** The worker answers every page below /p/ with this entry when there is no network. */
const SHELL = "/p/";

const keyOf = (siteId: string) => `driver:${FORM}:${siteId}`;

export function keep(siteId: string, state: Kept): void {
  try {
    const { site, offset_ms } = state;
    if (site) localStorage.setItem(keyOf(siteId), JSON.stringify({ site, offset_ms }));
    else localStorage.removeItem(keyOf(siteId));
  } catch {
    // If storage is full or forbidden, the page works only with a network.
  }
}

export function kept(siteId: string): Kept {
  try {
    const text = localStorage.getItem(keyOf(siteId));
    if (text) return JSON.parse(text) as Kept;
  } catch {
    // Treated as if nothing were stored.
  }
  return { site: null, offset_ms: 0 };
}

/** Lets the worker answer from now on, and stores the page with all that it loaded. */
export async function keepShell(): Promise<void> {
  if (!("serviceWorker" in navigator)) return; // only localhost and https have it
  await navigator.serviceWorker.register("/p/sw.js", { scope: SHELL });
  await navigator.serviceWorker.ready;
  const page = await fetch(location.pathname, { cache: "no-cache" });
  if (!page.ok) return;
  const cache = await caches.open(CACHE);
  await cache.put(SHELL, page);
  const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name));
  const wanted = loaded.filter(({ origin, pathname }) => origin === location.origin && isFile(pathname));
  const files = new Set(wanted.map(({ pathname }) => pathname));
  const stored = (await cache.keys()).map(({ url }) => new URL(url).pathname);
  await cache.addAll([...files].filter((file) => !stored.includes(file)));
  const outdated = stored.filter((file) => file !== SHELL && !files.has(file));
  await Promise.all(outdated.map((file) => cache.delete(file)));
}

function isFile(path: string): boolean {
  return path.startsWith("/assets/") || path === "/favicon.svg";
}
