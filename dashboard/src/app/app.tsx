import { lazy, Suspense } from "react";

import { ConnectionBanner } from "../features/connection/connection-banner";
import { say } from "../shared/language";
import { siteOf, type Route } from "../shared/routes";
import { useLoaded, useSites } from "../shared/use-live";
import { useTitle } from "../shared/use-title";
import { EmptyState } from "./empty-state";
import { Footer } from "./footer";
import { Header } from "./header";
import { pageNamed, type PageEntry } from "./pages";
import { useHeadingFocus } from "./use-heading-focus";
import { useRoute } from "./use-route";

/** Loaded on demand, because most users never draw. */
const SlotsPage = lazy(async () => {
  const { SlotsPage: page } = await import("../features/slots/slots-page");
  return { default: page };
});

export function App() {
  const sites = useSites();
  const route = useRoute();
  const named = route.page === "lot" ? route.siteId : siteOf(route.cameraId);
  const siteId = named || Object.keys(sites).sort()[0];
  const entry = route.page === "lot" ? pageNamed(route.name) : undefined;
  useHeadingFocus(entry ? `${named}/${entry.name}` : `slots/${named}`);
  return (
    <>
      <a className="skip" href="#main">
        {say("skip")}
      </a>
      <Header sites={Object.values(sites)} siteId={siteId} page={entry?.name ?? null} />
      <ConnectionBanner />
      <main className="page" id="main" tabIndex={-1}>
        <Suspense fallback={<EmptyState loaded={false} />}>
          <Content route={route} entry={entry} siteId={siteId} />
        </Suspense>
      </main>
      <Footer />
    </>
  );
}

interface ContentProps {
  route: Route;
  entry: PageEntry | undefined;
  siteId: string | undefined;
}

function Content({ route, entry, siteId }: ContentProps) {
  const sites = useSites();
  const loaded = useLoaded();
  if (route.page === "slots") return <SlotsPage key={route.cameraId} cameraId={route.cameraId} />;
  const site = siteId ? sites[siteId] : undefined;
  if (entry && (site ?? !entry.needsSite)) {
    const key = `${siteId ?? ""}/${entry.name}`;
    return <NamedPage key={key} entry={entry} siteId={site?.site_id ?? ""} query={route.query} />;
  }
  return <EmptyState loaded={loaded} named={route.siteId} sites={Object.values(sites)} />;
}

function NamedPage({ entry, siteId, query }: { entry: PageEntry; siteId: string; query: string }) {
  return (
    <>
      {entry.name && <Title entry={entry} siteId={siteId} />}
      <entry.Page siteId={siteId} query={query} />
    </>
  );
}

/** "History – Station Square". The live page sets its own, with the count of free spaces. */
function Title({ entry, siteId }: { entry: PageEntry; siteId: string }) {
  const site = useSites()[siteId];
  useTitle([say(entry.title), site?.name].filter(Boolean).join(" – "));
  return null;
}
