/** The server's errors in the page's language. */
import { currentLanguage, say } from "./language";

const CODES = [
  "account-exists",
  "bad-plate",
  "code-refused",
  "denied",
  "device-exists",
  "email-not-verified",
  "last-admin",
  "layout-race",
  "no-account",
  "no-camera",
  "no-device",
  "no-email",
  "no-history",
  "no-key",
  "no-layout",
  "no-link",
  "no-pictures",
  "no-plates",
  "no-right",
  "no-site",
  "no-slot",
  "not-invited",
  "set-up",
  "sign-in",
  "too-many-tries",
  "too-many-wrong-keys",
  "too-slow",
  "unknown-key",
  "wrong-code",
  "wrong-password",
  "wrong-scope",
  "wrong-site",
  "wrong-state",
] as const;

/**
 * The meaning of a known code. In English, and with another code, the server's own detail: it says more,
 * such as which name is taken or how long to wait.
 */
export function errorWords(code: unknown, detail: string): string {
  const known = CODES.find((each) => each === code);
  return known && (currentLanguage() !== "en" || !detail) ? say(`error.${known}`) : detail;
}
