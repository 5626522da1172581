/** Earlier versions of a camera's spaces, and how they differ from a drawing. */
import { getJson } from "../../shared/api";
import type { LayoutPublished } from "../../shared/events";
import { moment } from "../../shared/format";
import { say, type Key } from "../../shared/language";
import { layoutPath } from "../../shared/layout-requests";
import { differences, named, type Drawing } from "./drawing";
import { spaces } from "./editor-words";

export interface Version {
  version: number;
  time_ms: number;
  slots: number;
  /** This version removed the camera. */
  removed: boolean;
}

const MOST_NAMED = 12;

export async function loadVersions(cameraId: string, signal: AbortSignal): Promise<readonly Version[]> {
  return getJson<Version[]>(`${layoutPath(cameraId)}/versions`, { signal });
}

export async function loadVersion(place: string, signal: AbortSignal): Promise<LayoutPublished> {
  return getJson<LayoutPublished>(place, { signal });
}

export function versionPath(cameraId: string, version: number): string {
  return `${layoutPath(cameraId)}/versions/${version}`;
}

export function versionWords({ version, time_ms, slots, removed }: Version, now_ms: number): string {
  const what = removed ? say("versions.removed") : spaces(slots);
  return `${version}: ${moment(time_ms, now_ms)}, ${what}`;
}

/** How a version differs from the drawing: one line each for the spaces that only it has, that it
 * lacks, and that differ. */
export function differenceWords(mine: Drawing, version: Drawing): string[] {
  const [here, there] = [new Set(named(mine)), new Set(named(version))];
  const names = differences(mine, version);
  const groups: readonly (readonly [Key, readonly string[]])[] = [
    ["versions.onlyThere", names.filter((name) => !here.has(name))],
    ["versions.onlyHere", names.filter((name) => !there.has(name))],
    ["versions.different", names.filter((name) => here.has(name) && there.has(name))],
  ];
  return groups.filter(([, some]) => some.length).map(([key, some]) => say(key, { names: listed(some) }));
}

/** Names in a sentence, the first few of many. */
export function listed(names: readonly string[]): string {
  const first = names.slice(0, MOST_NAMED).join(", ");
  const more = names.length - MOST_NAMED;
  return more > 0 ? say("remedies.more", { names: first, more }) : first;
}
