/** The API key of whoever sits at this page. It lives as long as the browser's tab. */
import { ApiError } from "./api";

const STORED = "api-key";

export function storedKey(): string {
  return sessionStorage.getItem(STORED) ?? "";
}

export function storeKey(key: string): void {
  sessionStorage.setItem(STORED, key);
}

export function isRefused(error: ApiError): boolean {
  return error.status === 401 || error.status === 403;
}

/** Runs a write with the key. Returns null when it is durable, or what went wrong; forgets a key that
 * is refused. */
export async function withKey(write: (key: string) => Promise<void>): Promise<ApiError | null> {
  try {
    await write(storedKey());
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (isRefused(error)) sessionStorage.removeItem(STORED);
    return error;
  }
}
