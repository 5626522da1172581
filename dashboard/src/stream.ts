/**
 * The page's only EventSource or WebSocket (shared/live-source.ts). After a dropped connection, the
 * browser reconnects by itself and sends Last-Event-ID. It gives up after an HTTP error (a restart
 * behind a proxy), and it does not notice an open but dead connection. `#reopen` handles both, with a
 * growing delay.
 */
import type { Live } from "./shared/live";
import { liveSource } from "./shared/live-source";
import { apply, EMPTY, type Message } from "./shared/live-state";

/** `reset`: the server could not resume where the page stopped, and sent a new snapshot. */
export type Connection = "connecting" | "live" | "reconnecting" | "reset";

export interface StreamState {
  live: Live;
  connection: Connection;
  /** When the last message arrived, by the browser's clock; null before the first. */
  heardAtMs: number | null;
}

/** An idle server sends a ping at least once a minute (NOTIFIER_PING_S is 60 at most). */
const SILENCE_MS = 75_000;
/** Apply messages after this time even without an animation frame: a hidden tab gets none. */
const FRAME_MAX_MS = 250;
/** At most this many messages wait, because timers stop in a tab that stays hidden. */
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
  #source: ReturnType<typeof liveSource> | null = null;
  #lastEventId = "";
  #failures = 0;
  #timer = 0;
  /** Messages received but not yet applied. */
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
    const source = liveSource(query);
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
      source.addEventListener(type, (event) => {
        this.#receive(type, event as MessageEvent<string>);
      });
    }
  }

  #receive(type: (typeof TYPES)[number], event: MessageEvent<string>): void {
    if (event.lastEventId) this.#lastEventId = event.lastEventId;
    // The types are generated from the schemas of the server's JSON.
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
    this.#applyWaiting(); // the first snapshot may be waiting
    this.#set({ connection: this.#state.live.loaded ? "reconnecting" : "connecting" });
  }

  /** Doubles up to a maximum, with jitter so that pages do not all reconnect at once. */
  #delay(): number {
    const bound = Math.min(DELAY_MAX_MS, 500 * 2 ** this.#failures++);
    return bound * (0.5 + Math.random() / 2);
  }

  /** Applies all waiting messages first, in one step: a page that was away all night receives its changes
   * within a second, and renders only the final states. */
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
