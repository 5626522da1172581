/** What a display at the gate needs: a screen that stays on, and the newest version of the page. */

const CHECK_MS = 60_000;

/** Keeps the screen on, where the browser can (https or localhost). The browser releases the lock
 * whenever the page is hidden. */
export function keepAwake(): void {
  const wake = () => {
    if (document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    navigator.wakeLock.request("screen").catch(() => undefined); // optional: a battery saver may refuse
  };
  document.addEventListener("visibilitychange", wake);
  wake();
}

/** Reloads the page when the server has a newer version of it. */
export function followVersions(): void {
  window.setInterval(() => {
    const served = fetch(location.pathname, { cache: "no-cache" });
    void isNewer(served, document).then((newer) => {
      if (newer) location.reload();
    });
  }, CHECK_MS);
}

/** Whether the answer is this page with another script, whose name contains its hash. While the server
 * does not answer, or answers with something else, the display keeps what it has. */
export async function isNewer(answer: Promise<Response>, running: Document): Promise<boolean> {
  try {
    const response = await answer;
    if (!response.ok) return false;
    const served = scriptOf(new DOMParser().parseFromString(await response.text(), "text/html"));
    return served !== null && served !== scriptOf(running);
  } catch {
    return false;
  }
}

function scriptOf(page: Document): string | null {
  return page.querySelector("script[type=module][src]")?.getAttribute("src") ?? null;
}
