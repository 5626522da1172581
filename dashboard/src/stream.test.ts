import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Stream } from "./stream";

class Source extends EventTarget {
  static readonly CLOSED = 2;
  static opened: Source[] = [];
  readyState = 1;
  onopen = () => undefined;
  onerror = () => undefined;

  constructor(readonly url: string) {
    super();
    Source.opened.push(this);
  }

  close(): void {
    this.readyState = Source.CLOSED;
  }

  says(type: string, data: unknown, lastEventId = ""): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId }));
  }
}

const SNAPSHOT = { sites: [], cameras: [], changes: [] };
/** Callbacks of requestAnimationFrame. A hidden page never runs them. */
let frames: (() => void)[] = [];

function painted(): void {
  for (const frame of frames.splice(0)) frame();
}

function started(): { stream: Stream; source: Source } {
  const stream = new Stream();
  stream.start();
  const [source] = Source.opened;
  if (!source) throw new Error("no EventSource was opened");
  source.onopen();
  source.says("snapshot", SNAPSHOT, "place-1");
  return { stream, source };
}

beforeEach(() => {
  vi.useFakeTimers();
  Source.opened = [];
  vi.stubGlobal("EventSource", Source);
  frames = [];
  const browser = {
    setInterval,
    setTimeout,
    clearTimeout,
    requestAnimationFrame: (frame: () => void) => frames.push(frame),
    cancelAnimationFrame: () => undefined,
  };
  vi.stubGlobal("window", Object.assign(new EventTarget(), browser));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("a connection that is open but dead", () => {
  it("is reopened where it stopped, even if the server never sent a ping", () => {
    started();
    vi.advanceTimersByTime(81_000);
    expect(Source.opened.map(({ url }) => url)).toEqual(["/api/events", "/api/events?last_event_id=place-1"]);
    expect(Source.opened[0]?.readyState).toBe(Source.CLOSED);
  });

  it("is not assumed while a message arrives once a minute", () => {
    const { source } = started();
    for (let minute = 0; minute < 5; minute++) {
      vi.advanceTimersByTime(60_000);
      source.says("ping", {});
    }
    expect(Source.opened).toHaveLength(1);
  });
});

describe("many messages at once", () => {
  /** A1 of a lot without a layout, from version 1 on. */
  function replayed(source: Source, count: number): void {
    for (let version = 1; version <= count; version++) {
      const to_state = version % 2 ? "occupied" : "free";
      const cause = { kind: "frame", id: "f" };
      const change = { id: `c${version}`, site_id: "demo", time_ms: version, slot_id: "A1", zone_id: "A" };
      source.says("slot-change", { ...change, to_state, version, cause }, `place-${version}`);
    }
  }

  function listenTo(stream: Stream): { times: () => number } {
    const listener = vi.fn();
    stream.subscribe(listener);
    return { times: () => listener.mock.calls.length };
  }

  it("are shown together, in order, when the page is painted", () => {
    const { stream, source } = started();
    painted();
    const listener = listenTo(stream);
    replayed(source, 100);
    expect(listener.times()).toBe(0);
    painted();
    expect(listener.times()).toBe(1);
    const { live } = stream.getState();
    expect(live.sites.demo?.slots.A1).toMatchObject({ version: 100, state: "free" });
    expect(live.changes.slice(0, 2).map(({ id }) => id)).toEqual(["c100", "c99"]);
  });

  it("are applied once, by the frame or by the timer", () => {
    const { stream, source } = started();
    painted();
    const listener = listenTo(stream);
    replayed(source, 1);
    painted();
    vi.advanceTimersByTime(1_000);
    expect(listener.times()).toBe(1);
  });

  it("are applied in a hidden tab, which is never painted", () => {
    const { stream, source } = started();
    replayed(source, 3);
    vi.advanceTimersByTime(250);
    expect(stream.getState().live.sites.demo?.slots.A1?.version).toBe(3);
  });

  it("do not pile up while timers are stopped", () => {
    const { stream, source } = started();
    replayed(source, 600);
    expect(stream.getState().live.sites.demo?.slots.A1?.version).toBe(499);
  });

  it("are applied before a reset, not after it", () => {
    const { stream, source } = started();
    replayed(source, 3);
    source.says("reset", {});
    expect(stream.getState().live.sites.demo?.slots.A1?.version).toBe(3);
    source.says("snapshot", SNAPSHOT, "place-9");
    painted();
    expect(stream.getState()).toMatchObject({ connection: "reset", live: { sites: {}, changes: [] } });
  });

  it("are applied before the connection counts as lost", () => {
    const { stream, source } = started();
    source.onerror();
    expect(stream.getState()).toMatchObject({ connection: "reconnecting", live: { loaded: true } });
  });
});
