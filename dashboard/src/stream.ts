/**
 * The page's one EventSource. The browser reconnects by itself after a dropped connection and
 * sends Last-Event-ID; it gives up for good on an HTTP error (a restart behind a proxy), and never
 * notices a connection that is open but dead: both end in `#reopen`, with a growing delay.
 */
import { apply, EMPTY, type Live, type Message } from "./shared/live-state";
import { apiUrl } from "./shared/api";

/** `reset`: the server could not continue where we stopped, and sent everything anew. */
export type Connection = "connecting" | "live" | "reconnecting" | "reset";

export interface StreamState {
  live: Live;
  connection: Connection;
  /** When the last message came, by our clock; null before the first. */
  heardAtMs: number | null;
}

/** A server with nothing else to say pings within a minute (NOTIFIER_PING_S is 60 at most). */
const SILENCE_MS = 75_000;
const DELAY_MAX_MS = 30_000;
const RESET_SHOWN_MS = 6_000;
const TYPES = [
  "snapshot",
  "ping",
  "slot-change",
  "camera-status",
  "session",
  "site-sessions",
  "layout",
] as const;

export class Stream {
  #state: StreamState = { live: EMPTY, connection: "connecting", heardAtMs: null };
  readonly #listeners = new Set<() => void>();
  #source: EventSource | null = null;
  #lastEventId = "";
  #failures = 0;
  #timer = 0;

  readonly getState = (): StreamState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    this.#open();
    window.setInterval(() => {
      this.#watch();
    }, 5_000);
    window.addEventListener("online", () => {
      this.#reopen(0);
    });
  }

  #open(): void {
    const query = this.#lastEventId ? `?last_event_id=${encodeURIComponent(this.#lastEventId)}` : "";
    const source = new EventSource(apiUrl(`/api/events${query}`));
    this.#source = source;
    source.onopen = () => {
      this.#failures = 0;
      this.#set({ connection: "live", heardAtMs: Date.now() });
    };
    source.onerror = () => {
      this.#set({ connection: this.#state.live.loaded ? "reconnecting" : "connecting" });
      if (source.readyState === EventSource.CLOSED) this.#reopen();
    };
    source.addEventListener("reset", () => {
      this.#lastEventId = "";
      this.#set({ connection: "reset" });
      window.setTimeout(() => {
        if (this.#state.connection === "reset") this.#set({ connection: "live" });
      }, RESET_SHOWN_MS);
    });
    for (const type of TYPES) {
      source.addEventListener(type, (event: MessageEvent<string>) => {
        this.#receive(type, event);
      });
    }
  }

  #receive(type: (typeof TYPES)[number], event: MessageEvent<string>): void {
    if (event.lastEventId) this.#lastEventId = event.lastEventId;
    const now_ms = Date.now();
    // The server's JSON follows the schemas that the types are generated from.
    const message = { type, data: JSON.parse(event.data) as unknown, now_ms } as Message;
    this.#set({ live: apply(this.#state.live, message), heardAtMs: now_ms });
  }

  #watch(): void {
    const { heardAtMs } = this.#state;
    const silent = heardAtMs !== null && Date.now() - heardAtMs > SILENCE_MS;
    if (silent && this.#state.connection === "live") this.#reopen(0);
  }

  #reopen(delay_ms = this.#delay()): void {
    this.#source?.close();
    window.clearTimeout(this.#timer);
    this.#set({ connection: this.#state.live.loaded ? "reconnecting" : "connecting" });
    this.#timer = window.setTimeout(() => {
      this.#open();
    }, delay_ms);
  }

  /** Doubles up to a bound, and is spread so that not all pages come back at once. */
  #delay(): number {
    const bound = Math.min(DELAY_MAX_MS, 500 * 2 ** this.#failures++);
    return bound * (0.5 + Math.random() / 2);
  }

  #set(change: Partial<StreamState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

export const stream = new Stream();
