/** Requests to the notifier. `VITE_API_URL` names it at build time; by default it is our origin. */
const BASE = import.meta.env.VITE_API_URL?.replace(/\/$/, "") ?? "";

/** The server said no, or could not be reached (`status` 0). The message is for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function apiUrl(path: string): string {
  return BASE + path;
}

/** Every write carries an API key and an idempotency key: sent twice, it acts once. */
export async function post(path: string, body: unknown, key: string): Promise<void> {
  await write("POST", path, body, key);
}

/** Replaces what is there. */
export async function put(path: string, body: unknown, key: string): Promise<void> {
  await write("PUT", path, body, key);
}

/** A write whose answer matters. */
export async function send<T>(method: string, path: string, body: unknown, key: string): Promise<T> {
  return (await (await write(method, path, body, key)).json()) as T;
}

export async function remove(path: string, key: string): Promise<void> {
  await request(path, { method: "DELETE", headers: { Authorization: `Bearer ${key}` } });
}

interface Reading {
  signal?: AbortSignal;
  /** For what is not open to all. */
  key?: string;
}

export async function getJson<T>(path: string, { signal, key }: Reading = {}): Promise<T> {
  const response = await request(path, {
    ...(signal && { signal }),
    ...(key && { headers: { Authorization: `Bearer ${key}` } }),
  });
  return (await response.json()) as T;
}

async function write(method: string, path: string, body: unknown, key: string): Promise<Response> {
  return request(path, {
    method,
    body: JSON.stringify(body),
    headers: {
      Authorization: `Bearer ${key}`,
      "Content-Type": "application/json",
      "Idempotency-Key": randomId(),
    },
  });
}

async function request(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(apiUrl(path), init).catch(() => null);
  if (!response) throw new ApiError(0, "The server cannot be reached. Try again in a moment.");
  if (response.ok) return response;
  const fault = (await response.json().catch(() => ({}))) as { detail?: unknown };
  const detail = typeof fault.detail === "string" ? fault.detail : response.statusText;
  throw new ApiError(response.status, detail || `The server answered ${response.status}.`);
}

/** crypto.randomUUID is missing on a page that came over plain HTTP. */
function randomId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}
