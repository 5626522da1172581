/** One hook per topic. Each returns a value that keeps its identity until it changes. */
import { useMemo, useSyncExternalStore } from "react";

import { stream, type Connection, type StreamState } from "../stream";
import type { SlotChanged } from "./events";
import { camerasOf } from "./layouts";
import type { Live, Site } from "./live";
import { siteOf } from "./routes";
import type { CameraView } from "./views";

function useStream<T>(select: (state: StreamState) => T): T {
  return useSyncExternalStore(stream.subscribe, () => select(stream.getState()));
}

export function useLoaded(): boolean {
  return useStream((state) => state.live.loaded);
}

export function useSites(): Live["sites"] {
  return useStream((state) => state.live.sites);
}

export function useSite(siteId: string): Site | undefined {
  return useStream((state) => state.live.sites[siteId]);
}

export function useCameras(siteId: string): CameraView[] {
  const cameras = useStream((state) => state.live.cameras);
  return useMemo(() => camerasOf(cameras, siteId), [cameras, siteId]);
}

/** Cameras of lots that do not exist yet, because none of their spaces are drawn. */
export function useStrayCameras(): CameraView[] {
  const cameras = useStream((state) => state.live.cameras);
  const sites = useSites();
  return useMemo(
    () => Object.values(cameras).filter(({ camera_id }) => !sites[siteOf(camera_id)]),
    [cameras, sites],
  );
}

export function useChanges(siteId: string): SlotChanged[] {
  const changes = useStream((state) => state.live.changes);
  return useMemo(() => changes.filter((change) => change.site_id === siteId), [changes, siteId]);
}

export function useConnection(): Connection {
  return useStream((state) => state.connection);
}

export function useHeardAtMs(): number | null {
  return useStream((state) => state.heardAtMs);
}

/** When the server stopped getting new data; null while data arrives. */
export function useStillSinceMs(): number | null {
  return useStream((state) => state.live.stillSinceMs);
}

/** Stalled services, each with the time since when. */
export function useStagesStillSinceMs(): Readonly<Record<string, number>> {
  return useStream((state) => state.live.stagesStillSinceMs);
}

export function useClockOffsetMs(): number {
  return useStream((state) => state.live.clockOffsetMs);
}
