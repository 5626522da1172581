/**
 * Addresses in the page: `#/SITE` (live), `#/SITE/PAGE?QUERY` and `#/cameras/SITE/CAMERA/slots`. The site
 * is empty in `#//PAGE`.
 */
export type Route =
  { page: "lot"; siteId: string; name: string; query: string } | { page: "slots"; cameraId: string };

export function routeOf(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [first = "", second = "", camera, last] = path.split("/");
  if (first === "cameras" && second && camera && last === "slots") {
    return { page: "slots", cameraId: `${second}/${camera}` };
  }
  return { page: "lot", siteId: first, name: second, query };
}

/** The site in a camera's id `SITE/CAMERA`. */
export function siteOf(cameraId: string): string {
  return cameraId.split("/")[0] ?? "";
}

export function slotsAddress(cameraId: string): string {
  return `#/cameras/${cameraId}/slots`;
}

/** The address of a page of a site; the live page's name is "". */
export function pageAddress(siteId: string, name: string, query = ""): string {
  return `#/${siteId}${name && `/${name}`}${query && `?${query}`}`;
}
