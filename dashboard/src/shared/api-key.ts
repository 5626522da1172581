/** The operator's API key. It is kept until the browser's tab closes. */
import { ApiError } from "./api";
import { isSignedIn } from "./session";

const STORED = "api-key";

export function storedKey(): string {
  return sessionStorage.getItem(STORED) ?? "";
}

export function storeKey(key: string): void {
  sessionStorage.setItem(STORED, key);
}

/** Whether to ask for a key: an account that is signed in needs none. */
export function isKeyMissing(): boolean {
  return !isSignedIn() && !storedKey();
}

/** Whether another key may help. */
export function isRefused(error: ApiError): boolean {
  return !isSignedIn() && (error.status === 401 || error.status === 403);
}

/** Runs a write with the stored key, or as the account that is signed in. Returns null once the write is durable, else the error. Forgets a
 * key that is refused. */
export async function withKey(write: (key: string) => Promise<void>): Promise<ApiError | null> {
  try {
    await write(isSignedIn() ? "" : storedKey());
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (isRefused(error)) sessionStorage.removeItem(STORED);
    return error;
  }
}
