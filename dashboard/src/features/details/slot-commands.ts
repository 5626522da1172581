/** What an operator may do to a slot. */
import { post, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";

export type Command = "close" | "open";

/** Returns null when the command is durable, or what went wrong. */
export async function send(
  siteId: string,
  slotId: string,
  command: Command,
  reason: string,
): Promise<ApiError | null> {
  const path = `/api/sites/${encodeURIComponent(siteId)}/slots/${encodeURIComponent(slotId)}`;
  const body = command === "close" ? { reason: reason || null } : {};
  return withKey((key) => post(`${path}/${command}`, body, key));
}
