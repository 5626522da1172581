/** Who uses the page: whether people must sign in here, and who has. */
import { ApiError, getJson, onSignedOut, remove, send } from "./api";
import { say } from "./language";
import type { Returned } from "./provider";

export type Role = "viewer" | "operator" | "admin";
/** By site; `*` stands for all sites. */
export type Roles = Readonly<Record<string, Role>>;

export type Session =
  | { phase: "loading"; fault?: string }
  /** Everybody may look; commands need an API key. */
  | { phase: "open" }
  /** `setup`: there is no account yet; the administrator is created here (`code`) or by command.
   * `provider`: the name of the provider that signs people in, too; `fault`: why that failed. */
  | { phase: "signed-out"; setup: "code" | "command" | null; provider?: string; fault?: string }
  | { phase: "signed-in"; name: string; roles: Roles; provider?: string };

interface Answer {
  required: boolean;
  name: string | null;
  roles: Roles;
  setup: "code" | "command" | null;
  provider?: string | null;
}

const AGAIN_MS = 3_000;

class SessionStore {
  #state: Session = { phase: "loading" };
  #asking = false;
  /** Why the provider's answer was refused; shown once, beside the form. */
  #fault = "";
  readonly #listeners = new Set<() => void>();

  readonly getState = (): Session => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Asks the server; at the start again and again until it answers. */
  async load(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const next = sessionOf(await getJson<Answer>("/api/sign-in"));
      if (this.#state.phase === "signed-in" && next.phase !== "signed-in") window.location.reload();
      else this.set(next.phase === "signed-out" && this.#fault ? { ...next, fault: this.#fault } : next);
      this.#fault = "";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) this.set({ phase: "open" });
      else if (this.#state.phase === "loading") {
        this.set({ phase: "loading", fault: error.message });
        window.setTimeout(() => void this.load(), AGAIN_MS);
      }
    } finally {
      this.#asking = false;
    }
  }

  /** Signs in with what the provider sent back, then asks the server. */
  async finish(returned: Returned): Promise<void> {
    try {
      await send("POST", "/api/sign-in/oidc/code", returned, "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#fault = error.message;
    }
    await this.load();
  }

  /** The stream was cut, perhaps because the sign-in has ended: EventSource does not say why. */
  check(): void {
    if (this.#state.phase === "signed-in") void this.load();
  }

  set(state: Session): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

export const session = new SessionStore();

/** The sign-in ended: load the page again, so that nothing of this account stays in it. The address, and
 * with it the place in the page, stays. */
onSignedOut(() => {
  if (session.getState().phase === "signed-in") window.location.reload();
});

export async function signOut(): Promise<void> {
  try {
    await remove("/api/sign-in", "");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    window.alert(say("stillSignedIn", { fault: error.message })); // at once: others may use this computer
    return;
  }
  window.location.reload();
}

export function sessionOf(answer: Answer): Session {
  if (!answer.required) return { phase: "open" };
  const provider = answer.provider ? { provider: answer.provider } : {};
  if (answer.name === null) return { phase: "signed-out", setup: answer.setup, ...provider };
  return { phase: "signed-in", name: answer.name, roles: answer.roles, ...provider };
}

/** Whether the account authorises commands, so that no API key is needed. */
export function isSignedIn(): boolean {
  return session.getState().phase === "signed-in";
}

/** Whether the account may manage accounts. */
export function isAdmin(state: Session): boolean {
  return state.phase === "signed-in" && state.roles["*"] === "admin";
}
