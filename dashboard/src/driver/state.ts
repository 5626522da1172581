/** The page's state, and how an answer changes it. Pure. */
import type { Answer } from "./poll";
import type { PublicSite } from "./public-site";
import type { Link } from "./shown";

export interface State {
  site: PublicSite | null;
  /** The server's clock minus ours. Ages are based on it, because a phone's clock may be wrong. */
  offset_ms: number;
  link: Link;
}

/** The header Date has whole seconds, so a smaller difference means nothing. */
const CLOCK_STEP_MS = 2_000;

export function after(state: State, answer: Answer, now_ms: number): State {
  switch (answer.is) {
    case "site":
      return { site: answer.site, link: "live", offset_ms: offset(state, answer.server_ms, now_ms) };
    case "not-public":
      return { ...state, site: null, link: "not-public" };
    case "starting":
      return { ...state, link: "starting" };
    case "failed":
      return { ...state, link: "lost" };
  }
}

function offset(state: State, server_ms: number | null, now_ms: number): number {
  if (server_ms === null) return state.offset_ms;
  const offset_ms = server_ms - now_ms;
  return Math.abs(offset_ms - state.offset_ms) < CLOCK_STEP_MS ? state.offset_ms : offset_ms;
}
