/** Commands of an operator to a slot. */
import { post, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";

export type Command = "close" | "open" | "correct";

/** Returns null once the command is durable, else the error. */
export async function send(
  siteId: string,
  slotId: string,
  command: Command,
  reason: string,
  state: "free" | "occupied" = "free",
): Promise<ApiError | null> {
  const path = `/api/sites/${encodeURIComponent(siteId)}/slots/${encodeURIComponent(slotId)}`;
  const bodies = { close: { reason: reason || null }, open: {}, correct: { state, reason: reason || null } };
  return withKey((key) => post(`${path}/${command}`, bodies[command], key));
}
