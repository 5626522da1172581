// node pictures.mjs URL SITE CACHE FOLDER SECONDS
// Takes the README's pictures of a running dashboard: desk.png, phone.png and, twice a second,
// moving-NN.png.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch } from "./browser.mjs";

const [url, site, cache, folder, seconds] = process.argv.slice(2);
const DESK = { viewport: { width: 1280, height: 800 }, colorScheme: "light" };
const PHONE = {
  viewport: { width: 390, height: 844 },
  colorScheme: "dark",
  deviceScaleFactor: 2,
  hasTouch: true,
};

async function open(browser, options) {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(`${url}/#/${site}`, { waitUntil: "domcontentloaded" });
  // Wait for a count, the connection and a change.
  await page.getByTestId("site-counts").getByTestId("free").first().waitFor({ timeout: 60_000 });
  await page.getByText("Live", { exact: true }).first().waitFor({ timeout: 60_000 });
  await page.getByTestId("feed").locator("li").first().waitFor({ timeout: 120_000 });
  return page;
}

mkdirSync(folder, { recursive: true });
const browser = await launch(cache);
try {
  const desk = await open(browser, DESK);
  await desk.screenshot({ path: join(folder, "desk.png") });
  for (let index = 0; index < 2 * Number(seconds); index++) {
    await desk.screenshot({ path: join(folder, `moving-${String(index).padStart(2, "0")}.png`) });
    await desk.waitForTimeout(500);
  }
  const phone = await open(browser, PHONE);
  await phone.screenshot({ path: join(folder, "phone.png") });
} finally {
  await browser.close();
}
