/** Opens the stream of live data: a WebSocket if `VITE_WS_URL` is set, else server-sent events. */
import { apiUrl } from "./api";
import { SocketSource } from "./socket-source";

const BUILT_FOR: string | undefined = import.meta.env.VITE_WS_URL;

/** `query`: empty, or the event to resume after. `socketUrl`: `wss://host`, with or without `/ws`. */
export function liveSource(query: string, socketUrl = BUILT_FOR): EventSource | SocketSource {
  if (!socketUrl) return new EventSource(apiUrl(`/api/events${query}`), { withCredentials: true });
  return new SocketSource(`${socketUrl.replace(/\/$/, "").replace(/\/ws$/, "")}/ws${query}`);
}
