/** What an operator may do to a slot. The API key lives as long as the browser's tab. */
import { ApiError, post } from "../../shared/api";

export type Command = "close" | "open";

const STORED = "api-key";

export function storedKey(): string {
  return sessionStorage.getItem(STORED) ?? "";
}

export function storeKey(key: string): void {
  sessionStorage.setItem(STORED, key);
}

/** Returns null when the command is durable, or what went wrong. Forgets a key that is refused. */
export async function send(
  siteId: string,
  slotId: string,
  command: Command,
  reason: string,
): Promise<ApiError | null> {
  const path = `/api/sites/${encodeURIComponent(siteId)}/slots/${encodeURIComponent(slotId)}`;
  const body = command === "close" ? { reason: reason || null } : {};
  try {
    await post(`${path}/${command}`, body, storedKey());
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (isRefused(error)) sessionStorage.removeItem(STORED);
    return error;
  }
}

export function isRefused(error: ApiError): boolean {
  return error.status === 401 || error.status === 403;
}
