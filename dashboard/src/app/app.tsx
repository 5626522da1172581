import { ConnectionBanner } from "../features/connection/connection-banner";
import { useLoaded, useSites } from "../shared/use-live";
import { EmptyState } from "./empty-state";
import { Header } from "./header";
import { SitePage } from "./site-page";
import { useRoute } from "./use-route";

export function App() {
  const sites = useSites();
  const loaded = useLoaded();
  const named = useRoute();
  const siteId = sites[named] ? named : Object.keys(sites).sort()[0];
  return (
    <>
      <a className="skip" href="#main">
        Skip to the lot
      </a>
      <Header sites={Object.values(sites)} siteId={siteId} />
      <ConnectionBanner />
      <main className="page" id="main" tabIndex={-1}>
        {siteId ? <SitePage key={siteId} siteId={siteId} /> : <EmptyState loaded={loaded} />}
      </main>
    </>
  );
}
