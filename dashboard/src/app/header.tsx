import { useState } from "react";

import { ConnectionPill } from "../features/connection/connection-pill";
import { compareNames, say } from "../shared/language";
import type { Site } from "../shared/live";
import { pageAddress } from "../shared/routes";
import { AccountMenu } from "./account-menu";
import { Navigation } from "./navigation";
import { applyTheme, storedTheme, THEMES } from "./theme";

interface Props {
  sites: readonly Site[];
  siteId: string | undefined;
  /** The name of the page on screen; null if it is not in the navigation. */
  page: string | null;
}

export function Header({ sites, siteId, page }: Props) {
  const exists = sites.some((site) => site.site_id === siteId);
  return (
    <header className="topbar">
      <a className="brand" href="#/">
        <img src="/favicon.svg" alt="" width="28" height="28" />
        <span>Smart Parking</span>
      </a>
      {sites.length > 1 && siteId && <SiteSwitch sites={sites} siteId={siteId} page={page ?? ""} />}
      <Navigation siteId={exists ? siteId : undefined} current={page} />
      <div className="topbar-end">
        <ConnectionPill />
        <AccountMenu siteId={exists ? siteId : undefined} />
        <ThemeSwitch />
      </div>
    </header>
  );
}

function SiteSwitch({ sites, siteId, page }: { sites: readonly Site[]; siteId: string; page: string }) {
  return (
    <label className="site-switch">
      <span className="visually-hidden">{say("lot")}</span>
      <select
        value={siteId}
        onChange={(event) => {
          window.location.hash = pageAddress(event.target.value, page);
        }}
      >
        {[...sites]
          .sort((a, b) => compareNames(a.name, b.name))
          .map((site) => (
            <option key={site.site_id} value={site.site_id}>
              {site.name}
            </option>
          ))}
      </select>
    </label>
  );
}

function ThemeSwitch() {
  const [theme, setTheme] = useState(storedTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
  return (
    <button
      type="button"
      className="icon-button"
      title={say("theme.now", { theme: say(`theme.${theme}`) })}
      aria-label={say("theme.switch", { theme: say(`theme.${theme}`), next: say(`theme.${next}`) })}
      onClick={() => {
        applyTheme(next);
        setTheme(next);
      }}
    >
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
        {theme === "light" && (
          <g fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round">
            <circle cx="12" cy="12" r="4" />
            <path d="M12 3v2m0 14v2m9-9h-2M5 12H3m15.4-6.4-1.4 1.4M7 17l-1.4 1.4m12.8 0L17 17M7 7 5.6 5.6" />
          </g>
        )}
        {theme === "dark" && (
          <path
            d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"
            fill="none"
            stroke="currentColor"
            strokeWidth="2"
            strokeLinejoin="round"
          />
        )}
        {theme === "auto" && (
          <>
            <circle cx="12" cy="12" r="8" fill="none" stroke="currentColor" strokeWidth="2" />
            <path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor" />
          </>
        )}
      </svg>
    </button>
  );
}
