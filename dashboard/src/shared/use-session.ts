import { useSyncExternalStore } from "react";

import { session, type Session } from "./session";

/** The name of the provider that signs people in, too. */
export function useProvider(): string | undefined {
  const session = useSession();
  return "provider" in session ? session.provider : undefined;
}

export function useSession(): Session {
  return useSyncExternalStore(session.subscribe, session.getState);
}
