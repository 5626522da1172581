import { useEffect, useState } from "react";

import { ApiError } from "../../shared/api";
import type { LayoutPublished } from "../../shared/events";
import { say } from "../../shared/language";
import { loadLayout } from "../../shared/layout-requests";
import { siteOf } from "../../shared/routes";
import { useCameras, useLoaded, useSite } from "../../shared/use-live";
import { useTitle } from "../../shared/use-title";
import { loadPicture, type Picture, type Terms } from "./layout-commands";
import { SlotEditor } from "./slot-editor";
import "./slots.css";

const DEFAULT_INTERVAL_MS = 5_000;

interface Start {
  layout: LayoutPublished | null;
  picture: Picture;
}

/** The page on which a camera's spaces are drawn over its newest picture. */
export function SlotsPage({ cameraId }: { cameraId: string }) {
  const terms = useTerms(cameraId);
  useTitle(say("edit.title", { camera: terms.camera_name }));
  return (
    <>
      <div className="slots-head">
        <h1>{say("edit.title", { camera: terms.camera_name })}</h1>
        <a href={`#/${siteOf(cameraId)}`}>{say("edit.back")}</a>
      </div>
      <Body cameraId={cameraId} terms={terms} />
    </>
  );
}

/** The camera's current names and interval, or defaults for a new camera. */
function useTerms(cameraId: string): Terms {
  const siteId = siteOf(cameraId);
  const site = useSite(siteId);
  const camera = useCameras(siteId).find((one) => one.camera_id === cameraId);
  return {
    site_name: site?.name ?? siteId,
    camera_name: camera && camera.layout_version > 0 ? camera.name : cameraId.slice(siteId.length + 1),
    interval_ms: camera?.interval_ms ?? DEFAULT_INTERVAL_MS,
  };
}

function Body({ cameraId, terms }: { cameraId: string; terms: Terms }) {
  const [tries, setTries] = useState(0);
  const start = useStart(cameraId, tries);
  const loaded = useLoaded();
  if (typeof start === "string") {
    return (
      <section className="card notice" role="alert">
        <h2>{say("edit.noPicture")}</h2>
        <p>{start}</p>
        <button
          type="button"
          className="button"
          onClick={() => {
            setTries(tries + 1);
          }}
        >
          {say("again")}
        </button>
      </section>
    );
  }
  if (start === null || !loaded) return <div className="skeleton skeleton-plan" aria-busy="true" />;
  return <SlotEditor cameraId={cameraId} layout={start.layout} picture={start.picture} terms={terms} />;
}

/** Loads the layout and the picture. Null while loading; an error message if it fails. */
function useStart(cameraId: string, tries: number): Start | string | null {
  const [answer, setAnswer] = useState<{ tries: number; start: Start | string } | null>(null);
  useEffect(() => {
    const request = new AbortController();
    let url = "";
    async function load(): Promise<void> {
      const [layout, picture] = await Promise.all([
        loadLayout(cameraId, request.signal),
        loadPicture(cameraId, request.signal),
      ]);
      url = picture.url;
      if (request.signal.aborted) URL.revokeObjectURL(url);
      else setAnswer({ tries, start: { layout, picture } });
    }
    load().catch((error: unknown) => {
      if (request.signal.aborted) return;
      setAnswer({ tries, start: error instanceof ApiError ? error.message : say("edit.damaged") });
    });
    return () => {
      request.abort();
      if (url) URL.revokeObjectURL(url);
    };
  }, [cameraId, tries]);
  return answer?.tries === tries ? answer.start : null;
}
