import { say } from "../shared/language";
import type { Site } from "../shared/live";
import { Rich } from "../shared/rich";
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
        <p className="visually-hidden">{say("empty.loading")}</p>
        <div className="skeleton skeleton-summary" />
        <div className="skeleton skeleton-plan" />
      </div>
    );
  }
  if (named && sites.length > 0) {
    return (
      <section className="card notice">
        <h1>{say("empty.noSuchLot", { name: named })}</h1>
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
      <h1>{say("empty.title")}</h1>
      <p>{say("empty.what")}</p>
      <UndrawnCameras />
      <p>
        <a className="button" href={pageAddress("", "cameras")}>
          {say("empty.addCamera")}
        </a>
      </p>
      <p className="muted">
        <Rich message="empty.demo" parts={{ command: <code>make run</code> }} />
      </p>
    </section>
  );
}

/** Sending cameras of lots that do not exist yet. */
function UndrawnCameras() {
  const cameras = useStrayCameras();
  if (!cameras.length) {
    return <p>{say("empty.connect")}</p>;
  }
  return (
    <ul className="undrawn">
      {cameras.map(({ camera_id }) => (
        <li key={camera_id}>
          <a className="button button-main" href={slotsAddress(camera_id)}>
            {say("empty.draw", { camera: camera_id })}
          </a>
        </li>
      ))}
    </ul>
  );
}
