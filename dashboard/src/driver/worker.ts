/**
 * The service worker of `/p/`: answers with the stored page and its files when there is no network
 * (keep.ts stores them). It never answers requests for the counts, because the page shows their age
 * itself. It imports nothing, so that the build is one plain script.
 */
interface FetchEvent extends Event {
  readonly request: Request;
  respondWith: (response: Promise<Response>) => void;
}
interface LifeEvent extends Event {
  waitUntil: (work: Promise<unknown>) => void;
}
interface WorkerScope extends EventTarget {
  skipWaiting: () => Promise<void>;
  readonly clients: { claim: () => Promise<void> };
}

const worker = self as unknown as WorkerScope;
const NETWORK_LIMIT_MS = 4_000;

worker.addEventListener("install", (event) => {
  (event as LifeEvent).waitUntil(worker.skipWaiting());
});
worker.addEventListener("activate", (event) => {
  (event as LifeEvent).waitUntil(worker.clients.claim());
});
worker.addEventListener("fetch", (event) => {
  const { request } = event as FetchEvent;
  const { pathname } = new URL(request.url);
  if (request.mode === "navigate" && pathname.startsWith("/p/")) {
    (event as FetchEvent).respondWith(page(request));
  } else if (pathname.startsWith("/assets/") || pathname === "/favicon.svg") {
    (event as FetchEvent).respondWith(file(request));
  }
});

async function page(request: Request): Promise<Response> {
  try {
    return await fetch(request, { signal: AbortSignal.timeout(NETWORK_LIMIT_MS) });
  } catch {
    return (await caches.match("/p/")) ?? Response.error();
  }
}

/** Files of the build have their content's hash in their name, so a stored one is never out of date. */
async function file(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request);
}
