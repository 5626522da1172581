/**
 * Asks the server for the counts every five seconds. It does not use a stream, because ten thousand
 * phones would hold ten thousand connections. A poll costs nothing in between, and a cache can
 * answer it.
 */
import type { PublicSite } from "./public-site";

export type Answer =
  { is: "site"; site: PublicSite; server_ms: number | null } | { is: "not-public" | "starting" | "failed" };

const EVERY_MS = 5_000;
const NOT_PUBLIC_MS = 30_000;
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 15_000;
/** A request that takes longer counts as a cut connection. */
const LIMIT_MS = 4_000;

type Fetch = (url: string, options: RequestInit) => Promise<Response>;

export async function ask(url: string, signal: AbortSignal, get: Fetch = fetch): Promise<Answer> {
  // AbortSignal.any is not used, because phones of 2022 lack it.
  const limit = new AbortController();
  const stop = () => {
    limit.abort();
  };
  const timer = setTimeout(stop, LIMIT_MS);
  signal.addEventListener("abort", stop);
  try {
    const response = await get(url, { signal: limit.signal });
    if (response.status === 404) return { is: "not-public" };
    if (response.status === 503) return { is: "starting" };
    if (!response.ok) return { is: "failed" };
    return {
      is: "site",
      site: (await response.json()) as PublicSite,
      server_ms: serverTime(response.headers),
    };
  } catch {
    return { is: "failed" };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

/** How long to wait before asking again. `luck` (0..1) keeps many phones from asking at once. */
export function pauseMs(answer: Answer["is"], failures: number, luck: number): number {
  if (answer === "site") return EVERY_MS * (1 + luck / 10);
  if (answer === "not-public") return NOT_PUBLIC_MS;
  const pause = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** Math.max(0, failures - 1));
  return pause * (1 + luck / 2);
}

/** Date, which a cache keeps, plus the time that the answer was in the cache. */
function serverTime(headers: Headers): number | null {
  const date = Date.parse(headers.get("Date") ?? "");
  const age_s = Number(headers.get("Age") ?? 0);
  return Number.isNaN(date) ? null : date + (Number.isNaN(age_s) ? 0 : age_s * 1_000);
}

export class Poller {
  readonly #url: string;
  readonly #take: (answer: Answer) => void;
  #timer = 0;
  #failures = 0;
  #asking: AbortController | null = null;

  constructor(url: string, take: (answer: Answer) => void) {
    this.#url = url;
    this.#take = take;
  }

  /** Polls now, and regularly from now on. */
  readonly now = (): void => {
    this.stop();
    const asking = new AbortController();
    this.#asking = asking;
    void ask(this.#url, asking.signal).then((answer) => {
      if (asking.signal.aborted) return;
      this.#failures = answer.is === "site" ? 0 : this.#failures + 1;
      this.#timer = window.setTimeout(this.now, pauseMs(answer.is, this.#failures, Math.random()));
      this.#take(answer);
    });
  };

  stop(): void {
    window.clearTimeout(this.#timer);
    this.#asking?.abort();
  }
}
