// node origins.mjs RULES SITE NAME PASSWORD IDLE_MS CACHE SHOTS
// Checks the dashboard at one origin with the API at another, behind a proxy that ends idle streams after
// IDLE_MS. app.parking.test is built for server-sent events, sockets.parking.test for /ws; both use
// api.parking.test. app.elsewhere.test is the same page on another site. RULES says where these hosts are.
// Prints a line for each passed check, and requests to the caller: see tests/browser/test_two_origins.py.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fail, launch } from "./browser.mjs";
import { Watched } from "./watched.mjs";

const [rules, site, name, password, idle, cache, shots] = process.argv.slice(2);
const idle_ms = Number(idle);
const OPTIONS = { viewport: { width: 1280, height: 900 }, ignoreHTTPSErrors: true };
const EVENTS = "https://app.parking.test";
const SOCKETS = "https://sockets.parking.test";
const ELSEWHERE = "https://app.elsewhere.test";
const API = "https://api.parking.test";

mkdirSync(shots, { recursive: true });
const browser = await launch(cache, [
  `--host-resolver-rules=${rules}`,
  "--ignore-certificate-errors",
  "--no-proxy-server",
]);
try {
  for (const [page, kind] of [
    [EVENTS, "events"],
    [SOCKETS, "sockets"],
  ])
    await onTwoOrigins(page, kind);
  await behindABuffer();
  await fromAnotherSite();
} catch (error) {
  await fail(browser, shots, "origins-failed", error);
} finally {
  await browser.close();
}

async function onTwoOrigins(origin, kind) {
  const watched = await Watched.open(browser, `${origin}/#/${site}`, OPTIONS);
  const { page } = watched;
  await watched.step(`${kind}: somebody signs in, and the cookie is the API's`, () => signIn(page));
  await watched.step(`${kind}: a quiet stream outlasts the proxy's limit`, () => staysLive(page, kind));
  await watched.step(`${kind}: a change is shown`, () => changeShows(page));
  await watched.step(`${kind}: live pictures come through`, () => pictureMoves(page));
  await watched.step(`${kind}: a command is accepted`, () => command(page));
  await watched.step(`${kind}: any path of the page is the page`, async () => {
    const other = await page.context().newPage();
    const response = await other.goto(`${origin}/some/path`);
    assert.equal(response.status(), 200);
    const source = other.getByRole("link", { name: "Source code" });
    assert.equal(await source.getAttribute("href"), `${API}/source`);
    await other.close();
  });
  await watched.close();

  console.log("no heartbeats");
  const cut = await Watched.open(browser, `${origin}/#/${site}`, OPTIONS);
  cut.allow(/ERR_|WebSocket|status of/);
  await cut.step(`${kind}: control: without heartbeats the stream is cut, and the page says so`, async () => {
    await signIn(cut.page);
    await cut.page.locator(".pill-reconnecting").waitFor();
    console.log(`${kind} were cut`);
  });
  console.log("heartbeats");
  await cut.step(`${kind}: the page recovers by itself, and signs out`, async () => {
    await cut.page.locator(".pill-live").waitFor({ timeout: 60_000 });
    await changeShows(cut.page);
    await cut.page.getByRole("button", { name: "Sign out" }).click();
    await cut.page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.deepEqual(await cut.page.context().cookies(API), []);
  });
  await cut.close();
}

async function enter(page) {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

async function signIn(page) {
  await enter(page);
  await page.locator("[data-slot]").first().waitFor();
  const [cookie, ...others] = await page.context().cookies();
  const { domain, httpOnly, secure, sameSite } = cookie;
  assert.deepEqual([domain, httpOnly, secure, sameSite, others], ["api.parking.test", true, true, "Lax", []]);
}

async function staysLive(page, kind) {
  await page.locator(".pill-live").waitFor();
  console.log("quiet");
  const states = await page.evaluate(async (time_ms) => {
    const pill = document.querySelector(".pill");
    const seen = new Set([pill.textContent]);
    const observer = new MutationObserver(() => seen.add(pill.textContent));
    observer.observe(pill, { childList: true, characterData: true, subtree: true });
    await new Promise((resolve) => setTimeout(resolve, time_ms));
    return [...seen];
  }, 3 * idle_ms);
  assert.deepEqual(states, ["Live"]);
  console.log(`${kind} outlasted the limit`);
}

async function changeShows(page) {
  const slot = page.locator('[data-slot="A1"]');
  const before = await slot.getAttribute("data-state");
  console.log("change");
  await page.locator(`[data-slot="A1"]:not([data-state="${before}"])`).waitFor();
}

async function pictureMoves(page) {
  await page.locator(".picture").scrollIntoViewIfNeeded();
  await page.locator(".badge-live").waitFor();
  const shown = await page.locator(".picture canvas").evaluate((canvas) => canvas.toDataURL());
  console.log("picture");
  await page.waitForFunction(
    (before) => document.querySelector(".picture canvas").toDataURL() !== before,
    shown,
  );
}

async function command(page) {
  await page.evaluate(() => scrollTo(0, 0));
  await page.locator('[data-slot="B6"]').click();
  const answer = page.waitForResponse(
    (each) => each.url().endsWith("/slots/B6/close") && each.request().method() === "POST",
  );
  await page.getByTestId("details").getByRole("button", { name: "Close this space" }).click();
  assert.equal((await answer).status(), 202);
}

async function behindABuffer() {
  console.log("buffers all");
  const held = await Watched.open(browser, `${EVENTS}/#/${site}`, OPTIONS);
  await held.step("a proxy that buffers everything: the page never says that it is live", async () => {
    await enter(held.page);
    await held.page.locator(".pill-connecting").waitFor();
    await held.page.getByText("The server is not responding.").waitFor();
  });
  const socket = await Watched.open(browser, `${SOCKETS}/#/${site}`, OPTIONS);
  await socket.step("the same proxy: a page built for /ws is live", async () => {
    await signIn(socket.page);
    await changeShows(socket.page);
    assert.equal(await held.page.locator("[data-slot]").count(), 0);
    await held.page.locator(".pill-connecting").waitFor();
    console.log("was kept back");
  });
  await held.close();
  await socket.close();
  console.log("buffers as told");
}

async function fromAnotherSite() {
  const watched = await Watched.open(browser, `${ELSEWHERE}/#/${site}`, OPTIONS);
  watched.allow(/status of 403/);
  await watched.step("from another site nobody can sign in, and the page says why", async () => {
    const { page } = watched;
    await enter(page);
    await page.getByText("browsers do not send the cookie of a sign-in to another site").waitFor();
    await page.screenshot({ path: join(shots, "origins-elsewhere.png") });
    assert.deepEqual(await page.context().cookies(), []);
  });
  await watched.close();
}
