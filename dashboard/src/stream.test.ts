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

function started(): { stream: Stream; source: Source } {
  const stream = new Stream();
  stream.start();
  const [source] = Source.opened;
  if (!source) throw new Error("no EventSource was made");
  source.onopen();
  source.says("snapshot", { sites: [], cameras: [], changes: [] }, "place-1");
  return { stream, source };
}

beforeEach(() => {
  vi.useFakeTimers();
  Source.opened = [];
  vi.stubGlobal("EventSource", Source);
  vi.stubGlobal("window", Object.assign(new EventTarget(), { setInterval, setTimeout, clearTimeout }));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("a connection that is open but dead", () => {
  it("is opened anew where it stopped, though the server never had to ping", () => {
    started();
    vi.advanceTimersByTime(81_000);
    expect(Source.opened.map(({ url }) => url)).toEqual(["/api/events", "/api/events?last_event_id=place-1"]);
    expect(Source.opened[0]?.readyState).toBe(Source.CLOSED);
  });

  it("is not taken for one on which something is said once a minute", () => {
    const { source } = started();
    for (let minute = 0; minute < 5; minute++) {
      vi.advanceTimersByTime(60_000);
      source.says("ping", {});
    }
    expect(Source.opened).toHaveLength(1);
  });
});
