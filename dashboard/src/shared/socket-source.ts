/**
 * The event stream over a WebSocket, with the part of EventSource's interface that the page uses. Some
 * proxies hold server-sent events back; builds with `VITE_WS_URL` use this source instead.
 */

/** A message of `/ws`: the same as an event of `/api/events`. */
interface Message {
  type: string;
  id: string | null;
  data: unknown;
}

export class SocketSource extends EventTarget {
  readyState: number = EventSource.CONNECTING;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly #socket: WebSocket;

  constructor(readonly url: string) {
    super();
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => {
      this.readyState = EventSource.OPEN;
      this.onopen?.();
    };
    this.#socket.onmessage = (event: MessageEvent<string>) => {
      const { type, id, data } = JSON.parse(event.data) as Message;
      this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId: id ?? "" }));
    };
    // A WebSocket does not reconnect by itself: the reader opens another.
    this.#socket.onclose = () => {
      if (this.readyState === EventSource.CLOSED) return;
      this.readyState = EventSource.CLOSED;
      this.onerror?.();
    };
  }

  close(): void {
    this.readyState = EventSource.CLOSED;
    this.#socket.close();
  }
}
