/**
 * Requests to the notifier: at `VITE_API_URL`, set at build time, else at the page's own origin. All carry the
 * cookie of a sign-in, also to another origin; browsers keep that cookie only within one site
 * (deploy/cloudflare/README.md).
 */
import { errorWords } from "./api-errors";
import { say } from "./language";

const BASE = import.meta.env.VITE_API_URL?.replace(/\/$/, "") ?? "";

/** The server refused a request or was unreachable (`status` 0). The message is shown to the user. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Each fault with its location, if the server found several. */
    readonly faults: readonly string[] = [],
    /** The server's code of the error, like "busy"; "" if it has none. */
    readonly code = "",
  ) {
    super(message);
  }
}

export function apiUrl(path: string): string {
  return BASE + path;
}

/** `fetch` at the API, with the cookie of the sign-in. */
export function fetchApi(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(apiUrl(path), { ...init, credentials: "include" });
}

let signedOut = (): void => undefined;

/** Calls `listener` when the server says that the sign-in has ended. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

/** Every write carries an API key, or the cookie of an account (`key` empty), and an idempotency key: a repeated request takes effect once. */
export async function post(path: string, body: unknown, key: string): Promise<void> {
  await write("POST", path, body, key);
}

/** As `post`, for what is replaced as a whole. */
export async function put(path: string, body: unknown, key: string): Promise<void> {
  await write("PUT", path, body, key);
}

/** Sends a write and returns its response. */
export async function send<T>(
  method: string,
  path: string,
  body: unknown,
  key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  return (await (await write(method, path, body, key, headers)).json()) as T;
}

/** Sends a write whose response is a picture or another file. */
export async function sendForBlob(path: string, body: unknown, key: string): Promise<Blob> {
  return (await write("POST", path, body, key)).blob();
}

/** Sends a JPEG. */
export async function sendPicture(path: string, jpeg: Blob, key: string): Promise<void> {
  await sendBody(path, jpeg, key, "image/jpeg");
}

/** Sends a file as it is, and returns the response. */
export async function sendFile<T>(path: string, file: Blob, key: string): Promise<T> {
  return (await (await sendBody(path, file, key, "application/octet-stream")).json()) as T;
}

function sendBody(path: string, body: Blob, key: string, type: string): Promise<Response> {
  const headers = { ...credentials(key), ...OWN_PAGE, "Content-Type": type };
  return request(path, { method: "POST", body, headers });
}

export async function remove(path: string, key: string): Promise<void> {
  await request(path, { method: "DELETE", headers: { ...credentials(key), ...OWN_PAGE } });
}

interface Reading {
  signal?: AbortSignal;
  /** API key, for resources that need one. */
  key?: string;
}

export async function getJson<T>(path: string, { signal, key }: Reading = {}): Promise<T> {
  const response = await request(path, {
    ...(signal && { signal }),
    ...(key && { headers: credentials(key) }),
  });
  return (await response.json()) as T;
}

/** One page of a list, and the path of the next, older one; null on the last page. */
export async function getPage(
  path: string,
  signal: AbortSignal,
): Promise<{ rows: unknown; next: string | null }> {
  const response = await request(path, { signal });
  const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "");
  return { rows: await response.json(), next: next?.[1] ?? null };
}

/** Fetches a picture or another file. */
export async function getBlob(path: string, signal: AbortSignal): Promise<Blob> {
  return (await request(path, { signal })).blob();
}

/** A camera's picture. */
interface Fetched {
  blob: Blob;
  /** How it came to the server; "" from older servers. */
  via: string;
  /** Its offset in the log; null from older servers. */
  offset: number | null;
}

/** Fetches a camera's picture. */
export async function getPicture(path: string, signal: AbortSignal): Promise<Fetched> {
  const response = await request(path, { signal });
  const offset = response.headers.get("X-Frame-Offset");
  return {
    blob: await response.blob(),
    via: response.headers.get("X-Frame-Via") ?? "",
    offset: offset === null ? null : Number(offset),
  };
}

async function write(
  method: string,
  path: string,
  body: unknown,
  key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return request(path, {
    method,
    body: JSON.stringify(body),
    headers: {
      ...credentials(key),
      ...OWN_PAGE,
      "Content-Type": "application/json",
      "Idempotency-Key": randomId(),
      ...headers,
    },
  });
}

/** A form of another page cannot send this header. */
const OWN_PAGE = { "X-Requested-With": "page" };

function credentials(key: string): Record<string, string> {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function request(path: string, init: RequestInit): Promise<Response> {
  const response = await fetchApi(path, init).catch(() => null);
  if (!response) throw new ApiError(0, say("api.unreachable"));
  if (response.ok) return response;
  const fault = (await response.json().catch(() => ({}))) as {
    error?: unknown;
    detail?: unknown;
    faults?: unknown;
  };
  if (fault.error === "sign-in") signedOut();
  const detail = typeof fault.detail === "string" ? fault.detail : response.statusText;
  const faults = Array.isArray(fault.faults) ? fault.faults.map(String) : [];
  throw new ApiError(
    response.status,
    errorWords(fault.error, detail) || say("api.status", { status: String(response.status) }),
    faults,
    typeof fault.error === "string" ? fault.error : "",
  );
}

/** crypto.randomUUID is missing on pages served over plain HTTP. */
function randomId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}
