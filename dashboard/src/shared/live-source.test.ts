import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { liveSource } from "./live-source";

class Socket {
  static opened: Socket[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;

  constructor(readonly url: string) {
    Socket.opened.push(this);
  }

  close(): void {
    this.closed = true;
    this.onclose?.();
  }
}

class Source {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  constructor(
    readonly url: string,
    readonly options: EventSourceInit,
  ) {}
}

beforeEach(() => {
  Socket.opened = [];
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("EventSource", Source);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function connected(query = "") {
  const source = liveSource(query, "wss://api.parking.example");
  const [socket] = Socket.opened;
  if (!socket) throw new Error("no WebSocket was opened");
  return { source, socket };
}

describe("without VITE_WS_URL", () => {
  it("is server-sent events", () => {
    expect(liveSource("?last_event_id=a", "").url).toBe("/api/events?last_event_id=a");
    expect(Socket.opened).toEqual([]);
  });

  it("sends the cookie of the sign-in, also to another origin", () => {
    expect(liveSource("", "")).toMatchObject({ options: { withCredentials: true } });
  });
});

describe("with VITE_WS_URL", () => {
  it.each(["wss://api.parking.example", "wss://api.parking.example/", "wss://api.parking.example/ws"])(
    "opens /ws of %s, and resumes where it stopped",
    (url) => {
      liveSource("?last_event_id=a", url);
      expect(Socket.opened.map((one) => one.url)).toEqual(["wss://api.parking.example/ws?last_event_id=a"]);
    },
  );

  it("dispatches each message as an event with its id", () => {
    const { source, socket } = connected();
    const heard: [string, string][] = [];
    source.addEventListener("slot-change", (event) => {
      const { data, lastEventId } = event as MessageEvent<string>;
      heard.push([data, lastEventId]);
    });
    socket.onmessage?.({ data: '{"type":"slot-change","id":"live:7","data":{"slot_id":"A01"}}' });
    socket.onmessage?.({ data: '{"type":"ping","id":null,"data":{}}' });
    expect(heard).toEqual([['{"slot_id":"A01"}', "live:7"]]);
  });

  it("is closed for good when the server closes it, so that the page opens another", () => {
    const { source, socket } = connected();
    let errors = 0;
    source.onerror = () => {
      errors += 1;
    };
    socket.onopen?.();
    expect(source.readyState).toBe(Source.OPEN);
    socket.onclose?.();
    expect([source.readyState, errors]).toEqual([Source.CLOSED, 1]);
  });

  it("reports no error when the page closes it", () => {
    const { source, socket } = connected();
    let errors = 0;
    source.onerror = () => {
      errors += 1;
    };
    source.close();
    expect([socket.closed, errors]).toEqual([true, 0]);
  });
});
