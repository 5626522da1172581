/** The way to the OpenID Connect provider, which signs people in, and back to the page. */
import { send } from "./api";

/** What the provider adds to the page's address. */
export interface Returned {
  state: string;
  code: string;
  error: string;
}

/** The user's place in the page. */
const PLACE = "place";

/** Sends the browser to the provider. It comes back to the page's address, without the place in it. */
export async function goToProvider(): Promise<void> {
  const { address } = await send<{ address: string }>("POST", "/api/sign-in/oidc", {}, "");
  sessionStorage.setItem(PLACE, window.location.hash);
  window.location.assign(address);
}

/** The provider's answer in the page's address, which is cleaned: a reload must not send the answer
 * again. Null if there is none. */
export function takeReturned(): Returned | null {
  const query = new URLSearchParams(window.location.search);
  const [state, code, error] = ["state", "code", "error"].map((name) => query.get(name) ?? "");
  if (!state || (!code && !error)) return null;
  const place = sessionStorage.getItem(PLACE) ?? "";
  sessionStorage.removeItem(PLACE);
  window.history.replaceState(null, "", window.location.pathname + place);
  return { state, code: code ?? "", error: error ?? "" };
}
