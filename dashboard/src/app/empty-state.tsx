import type { Site } from "../shared/live";
import { pageAddress, slotsAddress } from "../shared/routes";
import { useStrayCameras } from "../shared/use-live";

interface Props {
  loaded: boolean;
  /** The lot in the address; "" for none. */
  named?: string;
  sites?: readonly Site[];
}

/** Shown before the first snapshot, if there is no lot, and for an unknown lot. */
export function EmptyState({ loaded, named = "", sites = [] }: Props) {
  if (!loaded) {
    return (
      <div aria-busy="true">
        <p className="visually-hidden">Loading the lots</p>
        <div className="skeleton skeleton-summary" />
        <div className="skeleton skeleton-plan" />
      </div>
    );
  }
  if (named && sites.length > 0) {
    return (
      <section className="card notice">
        <h1>There is no lot “{named}”</h1>
        <ul>
          {sites.map((site) => (
            <li key={site.site_id}>
              <a href={`#/${site.site_id}`}>{site.name}</a>
            </li>
          ))}
        </ul>
        <UndrawnCameras />
      </section>
    );
  }
  return (
    <section className="card notice">
      <h1>No lot yet</h1>
      <p>A lot appears here once the spaces of its first camera are drawn and published.</p>
      <UndrawnCameras />
      <p>
        <a className="button" href={pageAddress("", "cameras")}>
          Add a camera
        </a>
      </p>
      <p className="muted">
        No camera yet? Start the demo site: <code>make run</code>.
      </p>
    </section>
  );
}

/** Sending cameras of lots that do not exist yet. */
function UndrawnCameras() {
  const cameras = useStrayCameras();
  if (!cameras.length) {
    return <p>Connect a camera. It appears here with its first picture, and you can then draw its spaces.</p>;
  }
  return (
    <ul className="undrawn">
      {cameras.map(({ camera_id }) => (
        <li key={camera_id}>
          <a className="button button-main" href={slotsAddress(camera_id)}>
            Draw spaces of {camera_id}
          </a>
        </li>
      ))}
    </ul>
  );
}
