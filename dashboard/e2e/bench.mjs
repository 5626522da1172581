// node bench.mjs URL SITE CACHE SHOTS SECONDS MINUTES
// Measures the page of a large site and prints the numbers (tools/bench/page.py).
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fail, launch } from "./browser.mjs";

const [url, site, cache, shots, seconds, minutes] = process.argv.slice(2);
const DESK = { width: 1440, height: 900 };
const WIDTHS = [390, 768, 1440, 2560];
const PAGES = ["", "fleet", "stays", "cameras"];
const SETTLE_MS = 5_000;

mkdirSync(shots, { recursive: true });
const browser = await launch(cache);
try {
  await firstLoad();
  await largestPaint();
  await widths();
  const { page, cdp } = await open(DESK);
  await longTasks(page);
  await heap(page, cdp);
} catch (error) {
  await fail(browser, shots, "bench", error);
} finally {
  await browser.close();
}

async function open(viewport, slower = 1) {
  const page = await browser.newPage({ viewport });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: slower });
  return { page, cdp };
}

async function shown(page, path = "") {
  await page.goto(`${url}/#/${site}${path && `/${path}`}`);
  await page.locator("h1").waitFor();
  if (!path) await page.locator("[data-slot]").first().waitFor();
}

/** The bytes of script as they are transferred. */
async function firstLoad() {
  const { page, cdp } = await open(DESK);
  const scripts = new Map();
  cdp.on("Network.responseReceived", ({ requestId, type, response }) => {
    if (type === "Script") scripts.set(requestId, { name: new URL(response.url).pathname, bytes: 0 });
  });
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) scripts.get(requestId).bytes = encodedDataLength;
  });
  await shown(page);
  await page.waitForTimeout(SETTLE_MS);
  const bytes = [...scripts.values()].reduce((sum, script) => sum + script.bytes, 0);
  console.log(
    `script of the first load, as transferred: ${(bytes / 1000).toFixed(1)} kB in ${scripts.size} files`,
  );
  await page.close();
}

async function largestPaint() {
  const times = [];
  for (let run = 0; run < 3; run++) {
    const { page } = await open(DESK, 4);
    await shown(page);
    await page.waitForTimeout(SETTLE_MS);
    times.push(
      await page.evaluate(
        () =>
          new Promise((resolve) => {
            new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime)).observe({
              type: "largest-contentful-paint",
              buffered: true,
            });
          }),
      ),
    );
    await page.close();
  }
  console.log(`largest paint, CPU 4 times slower: ${times.map(Math.round).join(", ")} ms`);
}

async function longTasks(page) {
  await shown(page);
  await page.waitForTimeout(SETTLE_MS);
  const tasks = await page.evaluate(
    (wait_ms) =>
      new Promise((resolve) => {
        const found = [];
        const observer = new PerformanceObserver((list) =>
          found.push(...list.getEntries().map((entry) => entry.duration)),
        );
        observer.observe({ type: "longtask" });
        setTimeout(() => resolve(found), wait_ms);
      }),
    seconds * 1000,
  );
  const longest = tasks.length > 0 ? `, the longest ${Math.round(Math.max(...tasks))} ms` : "";
  console.log(`tasks over 50 ms in ${seconds} s: ${tasks.length}${longest}`);
}

async function heap(page, cdp) {
  const sizes = [];
  for (let minute = 0; minute <= minutes; minute++) {
    if (minute > 0) await page.waitForTimeout(60_000);
    await cdp.send("HeapProfiler.collectGarbage");
    sizes.push((await cdp.send("Runtime.getHeapUsage")).usedSize);
  }
  console.log(`heap after each minute: ${sizes.map((bytes) => (bytes / 1e6).toFixed(1)).join(", ")} MB`);
}

/** Prints each page that is wider than its window. */
async function widths() {
  for (const width of WIDTHS) {
    const { page } = await open({ width, height: 900 });
    const wide = [];
    for (const path of PAGES) {
      await shown(page, path);
      await page.waitForTimeout(1_000);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) wide.push(`${path || "live"} by ${overflow} px`);
      await page.screenshot({ path: join(shots, `large-${path || "live"}-${width}.png`) });
    }
    console.log(`at ${width} px, too wide: ${wide.join(", ") || "none"}`);
    await page.close();
  }
}
