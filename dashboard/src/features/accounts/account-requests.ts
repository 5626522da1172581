/** Requests about signing in, accounts and the audit log. */
import { ApiError, getJson, put, remove, send } from "../../shared/api";
import { say } from "../../shared/language";
import type { Role, Roles } from "../../shared/session";

export interface AccountView {
  name: string;
  roles: Roles;
  /** It has no password yet. */
  invited: boolean;
  /** It signs in with the provider. */
  linked: boolean;
  created_at_ms: number;
}

export interface AuditEntry {
  id: number;
  time_ms: number;
  who: string;
  what: string;
  site_id: string | null;
  target: string;
  address: string;
}

export interface Link {
  name: string;
  token: string;
  expires_at_ms: number;
}

/** Runs a request. Returns null if it succeeded, else what to show. */
export async function faultOf(request: () => Promise<unknown>): Promise<string | null> {
  try {
    await request();
    return null;
  } catch (error) {
    if (error instanceof ApiError) return [error.message, ...error.faults].join(" ");
    throw error;
  }
}

export function signIn(name: string, password: string): Promise<unknown> {
  return send("POST", "/api/sign-in", { name, password }, "");
}

export function createAdministrator(name: string, password: string, code: string): Promise<unknown> {
  return send("POST", "/api/setup", { name, password, code }, "");
}

export function setPassword(token: string, password: string): Promise<unknown> {
  return send("POST", "/api/links", { token, password }, "");
}

export function changePassword(old: string, next: string): Promise<unknown> {
  return send("POST", "/api/password", { old, new: next }, "");
}

export function listAccounts(): Promise<readonly AccountView[]> {
  return getJson("/api/accounts");
}

export function invite(name: string, roles: Roles): Promise<Link> {
  return send("POST", "/api/accounts", { name, roles }, "");
}

export function resetPassword(name: string): Promise<Link> {
  return send("POST", `/api/accounts/${encodeURIComponent(name)}/reset`, {}, "");
}

export function changeRoles(name: string, roles: Roles): Promise<void> {
  return put(`/api/accounts/${encodeURIComponent(name)}/roles`, { roles }, "");
}

export function removeAccount(name: string): Promise<void> {
  return remove(`/api/accounts/${encodeURIComponent(name)}`, "");
}

export function readAudit(limit: number, before?: number): Promise<readonly AuditEntry[]> {
  return getJson(`/api/audit?limit=${limit}${before === undefined ? "" : `&before=${before}`}`);
}

/** The page's address for a link's token. */
export function linkAddress(token: string): string {
  return `${window.location.origin}${window.location.pathname}#/link/${token}`;
}

/** The token in the page's address; "" if there is none. */
export function linkToken(hash: string): string {
  return /^#\/link\/([\w-]{43})$/.exec(hash)?.[1] ?? "";
}

/** "demo: operator, *: viewer" in words. */
export function roleWords(roles: Roles): string {
  return Object.entries(roles)
    .map(([site, role]) =>
      say("role.of", { role: say(`role.${role}`), lot: site === "*" ? say("role.allLots") : site }),
    )
    .join(", ");
}

/** Returns the roles with one added, replaced or (with `null`) removed at a site. */
export function withRole(roles: Roles, site: string, role: Role | null): Roles {
  const others = Object.entries(roles).filter(([each]) => each !== site);
  return Object.fromEntries(role ? [...others, [site, role]] : others);
}
