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
/** A hidden tab gets no animation frames. */
const FRAME_MAX_MS = 250;
/** Where timers stand still too (a tab hidden for long), no more than these wait. */
const WAITING_MAX = 500;
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

type Received = Message & { now_ms: number };

export class Stream {
  #state: StreamState = { live: EMPTY, connection: "connecting", heardAtMs: null };
  readonly #listeners = new Set<() => void>();
  #source: EventSource | null = null;
  #lastEventId = "";
  #failures = 0;
  #timer = 0;
  /** Received, and not yet applied. */
  #waiting: Received[] = [];
  #frame = 0;
  #frameTimer = 0;

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
      this.#lost();
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
    // The server's JSON follows the schemas that the types are generated from.
    const data = JSON.parse(event.data) as unknown;
    this.#waiting.push({ type, data, now_ms: Date.now() } as Received);
    if (this.#waiting.length >= WAITING_MAX) this.#applyWaiting();
    else if (this.#waiting.length === 1) {
      this.#frame = window.requestAnimationFrame(this.#applyWaiting);
      this.#frameTimer = window.setTimeout(this.#applyWaiting, FRAME_MAX_MS);
    }
  }

  readonly #applyWaiting = (): void => {
    if (this.#waiting.length > 0) this.#set({});
  };

  #watch(): void {
    this.#applyWaiting();
    const { heardAtMs } = this.#state;
    const silent = heardAtMs !== null && Date.now() - heardAtMs > SILENCE_MS;
    if (silent && this.#state.connection === "live") this.#reopen(0);
  }

  #reopen(delay_ms = this.#delay()): void {
    this.#source?.close();
    window.clearTimeout(this.#timer);
    this.#lost();
    this.#timer = window.setTimeout(() => {
      this.#open();
    }, delay_ms);
  }

  #lost(): void {
    this.#applyWaiting(); // it may be the first snapshot
    this.#set({ connection: this.#state.live.loaded ? "reconnecting" : "connecting" });
  }

  /** Doubles up to a bound, and is spread so that not all pages come back at once. */
  #delay(): number {
    const bound = Math.min(DELAY_MAX_MS, 500 * 2 ** this.#failures++);
    return bound * (0.5 + Math.random() / 2);
  }

  /** What came since the last frame is applied first, all at once: a page that was away gets a night's
   * changes in a second, and shows where each of them ended. */
  #set(change: Partial<StreamState>): void {
    const messages = this.#waiting;
    this.#waiting = [];
    window.cancelAnimationFrame(this.#frame);
    window.clearTimeout(this.#frameTimer);
    const { live, heardAtMs } = this.#state;
    this.#state = {
      ...this.#state,
      live: messages.reduce(apply, live),
      heardAtMs: messages.at(-1)?.now_ms ?? heardAtMs,
      ...change,
    };
    for (const listener of this.#listeners) listener();
  }
}

export const stream = new Stream();
