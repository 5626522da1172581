// node driver.mjs URL CACHE SCREENSHOTS
// Checks the driver view and the display's view on these sites: `open` is fresh, `late` is old,
// `dead` has sent nothing for an hour, `blind` sees nothing, `many` has twelve zones, `shut` is not
// public.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { launch } from "./browser.mjs";
import { Watched } from "./watched.mjs";

const [url, cache, folder] = process.argv.slice(2);
const axe = readFileSync(join(import.meta.dirname, "node_modules/axe-core/axe.min.js"), "utf8");
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, deviceScaleFactor: 2 };
const SIZE_MAX = 30_000;
const WALLS = [{ viewport: { width: 1920, height: 1080 } }, { viewport: { width: 1080, height: 1920 } }];

mkdirSync(folder, { recursive: true });
const browser = await launch(cache);
try {
  await firstLoad({ ...PHONE, locale: "id-ID" });
  await phone({ ...PHONE, locale: "en-GB", colorScheme: "light" });
  await phoneInIndonesian({ ...PHONE, locale: "id-ID", colorScheme: "dark" });
  await withoutNumber({ ...PHONE, locale: "en-GB" });
  for (const size of WALLS) for (const locale of ["en-GB", "id-ID"]) await wall({ ...size, locale });
  for (const size of WALLS) await manyZones(size);
} finally {
  await browser.close();
}

async function firstLoad(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const bodies = new Map();
  page.on("response", (response) => {
    const { pathname } = new URL(response.url());
    if (/^\/(p|assets)\//.test(pathname) && !bodies.has(pathname)) bodies.set(pathname, response.body());
  });
  await page.goto(`${url}/p/open`);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  await page.waitForFunction(() => caches.match("/p/").then(Boolean));
  const all = (await Promise.all(bodies.values())).reduce((sum, body) => sum + body.length, 0);
  for (const kind of ["/p/open", ".css", ".js"])
    assert.ok([...bodies.keys()].some((path) => path.endsWith(kind)));
  assert.ok(all <= SIZE_MAX, `${all} bytes: ${[...bodies.keys()].join()}`);
  console.log(`ok: page, style, scripts and language are ${all} bytes before compression`);
  await context.close();
}

async function phone(options) {
  const watched = await Watched.open(browser, `${url}/p/open`, options);
  const { page } = watched;
  await watched.step("the free spaces are shown in large numbers, by zone and kind", async () => {
    await page.getByText("free of", { exact: false }).first().waitFor();
    assert.match(await page.locator("#age").innerText(), /^Updated .+ago/);
    assert.equal(await page.locator("#zones li").count(), 4);
    assert.match(await page.locator("#kinds").innerText(), /Accessible/);
    assert.equal(await page.locator("#count").getAttribute("aria-live"), "polite");
    assert.equal(await page.locator("#directions").getAttribute("href"), "https://maps.example/?q=lot");
    assert.match(await page.title(), /^\d+ free of \d+ – /);
  });
  await watched.step("axe finds no fault on the phone, light", () => accessible(page));
  await watched.step("nothing reaches beyond the phone's screen", () => fits(page, false));
  await shoot(page, "phone-en-light");
  await watched.step("the language is switched and kept", async () => {
    await page.getByLabel("Language").selectOption("id");
    await page.getByText("kosong dari").first().waitFor();
    await page.reload();
    await page.getByText("kosong dari").first().waitFor();
    await page.getByLabel("Bahasa").selectOption("en");
    await page.getByText("free of").first().waitFor();
  });
  watched.allow(/net::ERR_INTERNET_DISCONNECTED|Failed to load resource/);
  await watched.step("offline, the page says so and keeps the last counts with their age", async () => {
    await page.waitForFunction(() => navigator.serviceWorker.controller);
    await page.waitForFunction(() => caches.match("/p/").then(Boolean));
    await page.context().setOffline(true);
    await page.getByText("No connection. Trying again.").waitFor();
    await page.reload();
    await page.getByText("No connection. Trying again.").waitFor();
    await page.getByText("free of").first().waitFor();
    assert.match(await page.locator("#age").innerText(), /Updated .+ago/);
    await shoot(page, "phone-en-offline");
    await page.context().setOffline(false);
    await page.getByText("No connection. Trying again.").waitFor({ state: "hidden" });
  });
  await watched.close();
}

async function phoneInIndonesian(options) {
  const watched = await Watched.open(browser, `${url}/p/open`, options);
  const { page } = watched;
  await watched.step("the browser's language is used: Indonesian, dark", async () => {
    await page.getByText("kosong dari").first().waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "id");
    await accessible(page);
    await fits(page, false);
    await shoot(page, "phone-id-dark");
  });
  await watched.close();
}

async function withoutNumber(options) {
  const watched = await Watched.open(browser, `${url}/p/late`, options);
  const { page } = watched;
  await watched.step("old data is shaded and says so", async () => {
    await page.locator("#count.old").waitFor();
    assert.match(await page.locator("#age").innerText(), /^Old data, updated .+ago/);
    await accessible(page);
    await shoot(page, "phone-old");
  });
  await watched.step("without live data the reason and the age stand in place of a number", async () => {
    await page.goto(`${url}/p/dead`);
    await page.getByText("No live data").first().waitFor();
    assert.match(
      await page.locator("#age").innerText(),
      /The cameras have sent nothing new · Last seen .+ ago · Last known: \d+ free/,
    );
    await page.goto(`${url}/p/blind`);
    await page.getByText("No live data").first().waitFor();
    assert.match(await page.locator("#age").innerText(), /view is blocked · Last seen/);
    await accessible(page);
    await shoot(page, "phone-no-data");
  });
  watched.allow(/404/);
  await watched.step("a site that is not public is not found, like one that does not exist", async () => {
    const texts = [];
    for (const site of ["shut", "none"]) {
      const response = await page.goto(`${url}/p/${site}`);
      assert.equal(response.status(), 404);
      await page.getByText("There is no public car park at this address.").waitFor();
      texts.push(await page.locator("body").innerText());
    }
    assert.equal(texts[0], texts[1]);
    await accessible(page);
    await shoot(page, "phone-not-public");
  });
  await watched.close();
}

async function wall(options) {
  const { width, height } = options.viewport;
  const address = `${url}/p/open/wall?left=A,B&ahead=C&right=D`;
  const watched = await Watched.open(browser, address, options);
  const { page } = watched;
  const name = `wall-${width}x${height}-${options.locale.slice(0, 2)}`;
  await watched.step(`${name}: all fits on the display, without scrolling`, async () => {
    await page.locator("#zones li").first().waitFor();
    await fits(page, true);
    assert.equal(
      await page
        .locator(".arrow")
        .allInnerTexts()
        .then((all) => all.join("")),
      "→←←↑",
    );
    assert.ok((await page.locator("#count strong").boundingBox()).height > height / 5);
    await accessible(page);
    await shoot(page, name);
  });
  await watched.close();
}

async function manyZones(options) {
  const watched = await Watched.open(browser, `${url}/p/many/wall?left=Z1&right=Z2`, options);
  const { page } = watched;
  const name = `wall-${options.viewport.width}x${options.viewport.height}-many`;
  await watched.step(`${name}: twelve zones fit as well`, async () => {
    await page.locator("#zones li").nth(11).waitFor();
    await fits(page, true);
    await shoot(page, name);
  });
  await watched.close();
}

/** Nothing is wider than the screen, and with `vertically` nothing is below its edge either. */
async function fits(page, vertically) {
  const beyond = await page.evaluate((both) => {
    const { innerWidth, innerHeight } = window;
    const boxes = [...document.querySelectorAll("main *")].map((each) => [
      each,
      each.getBoundingClientRect(),
    ]);
    return boxes
      .filter(([, box]) => box.width > 0)
      .filter(([, box]) => box.right > innerWidth + 1 || (both && box.bottom > innerHeight + 1))
      .map(([each]) => each.outerHTML.slice(0, 80));
  }, vertically);
  assert.deepEqual(beyond, []);
}

async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run({
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }),
  );
  const faults = violations.flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.html}`));
  assert.deepEqual(faults, []);
}

async function shoot(page, name) {
  await page.screenshot({ path: join(folder, `driver-${name}.png`) });
}
