import { lazy, type ComponentType } from "react";

import type { Key } from "../shared/language";
import { isAdmin, type Session } from "../shared/session";
import { SitePage } from "./site-page";

interface PageProps {
  /** The chosen lot; "" if there is none, which only pages without `needsSite` see. */
  siteId: string;
  /** What follows the question mark in the address. */
  query: string;
}

export interface PageEntry {
  /** Its part of the address `#/SITE/NAME`. The live page has "". */
  name: string;
  title: Key;
  /** Whether the page needs a lot that exists. */
  needsSite: boolean;
  Page: ComponentType<PageProps>;
  /** Whether the navigation links to it. If omitted, it does for everybody. */
  isLinked?: (session: Session) => boolean;
}

/**
 * All pages, in the order of the navigation. Each renders one `h1`. Pages other than the live one are
 * loaded on demand, so that the first load stays small.
 */
export const PAGES: readonly PageEntry[] = [
  { name: "", title: "page.live", needsSite: true, Page: SitePage },
  {
    name: "history",
    title: "page.history",
    needsSite: true,
    Page: lazy(async () => {
      const { HistoryPage } = await import("../features/history/history-page");
      return { default: HistoryPage };
    }),
  },
  {
    name: "stays",
    title: "page.stays",
    needsSite: true,
    Page: lazy(async () => {
      const { StaysPage } = await import("../features/stays/stays-page");
      return { default: StaysPage };
    }),
  },
  {
    name: "fleet",
    title: "page.fleet",
    needsSite: true,
    Page: lazy(async () => {
      const { FleetPage } = await import("../features/fleet/fleet-page");
      return { default: FleetPage };
    }),
  },
  {
    name: "cameras",
    title: "page.cameras",
    needsSite: false,
    isLinked: () => false, // the fleet page and the empty state do
    Page: lazy(async () => {
      const { SourcesPage } = await import("../features/sources/sources-page");
      return { default: SourcesPage };
    }),
  },
  {
    name: "accounts",
    title: "page.accounts",
    needsSite: false,
    isLinked: isAdmin,
    Page: lazy(async () => {
      const { AccountsPage } = await import("../features/accounts/accounts-page");
      return { default: AccountsPage };
    }),
  },
  {
    name: "audit",
    title: "page.audit",
    needsSite: false,
    isLinked: isAdmin,
    Page: lazy(async () => {
      const { AuditPage } = await import("../features/accounts/audit-page");
      return { default: AuditPage };
    }),
  },
  {
    name: "account",
    title: "page.account",
    needsSite: false,
    isLinked: () => false, // the menu beside the navigation does
    Page: lazy(async () => {
      const { AccountPage } = await import("../features/accounts/account-page");
      return { default: AccountPage };
    }),
  },
];

/** The page with this name in the address; the live page if there is none. */
export function pageNamed(name: string): PageEntry | undefined {
  return PAGES.find((page) => page.name === name) ?? PAGES[0];
}
