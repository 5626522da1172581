// A page that records console warnings, errors and policy violations.
import assert from "node:assert/strict";

export class Watched {
  #faults = [];
  #allowed = [];

  static async open(browser, url, options) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const watched = new Watched(page);
    page.on("pageerror", (error) => watched.#note(`error: ${error.message}`));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()))
        watched.#note(`${message.type()}: ${message.text()}`);
    });
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await page.goto(url);
    return watched;
  }

  constructor(page) {
    this.page = page;
  }

  /** From now on, ignores console lines that match. */
  allow(pattern) {
    this.#allowed.push(pattern);
  }

  async step(name, check) {
    const start = Date.now();
    await check();
    assert.deepEqual(this.#faults, [], `the console, during: ${name}`);
    console.log(`ok: ${name} (${Date.now() - start} ms)`);
  }

  async close() {
    await this.page.context().close();
  }

  #note(text) {
    if (!this.#allowed.some((pattern) => pattern.test(text))) this.#faults.push(text);
  }
}
