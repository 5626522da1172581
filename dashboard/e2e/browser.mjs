// A headless Chromium from npm: needs no installation and no other download.
import sparticuz, { inflate } from "@sparticuz/chromium";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Unpacks Chromium into `cache` if it is missing, and starts it, with these flags besides the usual ones. */
export async function launch(cache, flags = []) {
  const home = await unpacked(cache);
  const executablePath = join(home, "chromium");
  const env = { ...process.env };
  // Small systems may lack NSS and expat; the package contains them.
  if (execFileSync("ldd", [executablePath], { encoding: "utf8" }).includes("not found")) {
    env.LD_LIBRARY_PATH = join(home, "al2023", "lib");
  }
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags], headless: true, env });
}

/** Ends a run that failed: prints the error, stores a picture of each open page, and sets the exit status. */
export async function fail(browser, shots, name, error) {
  console.log(`FAILED: ${error.stack ?? error}`);
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [index, page] of pages.entries())
    await page.screenshot({ path: join(shots, `${name}-${index}.png`) }).catch(() => {});
  process.exitCode = 1;
}

/** Unpacks into a new folder, because the package would reuse a partial file in TMPDIR. */
async function unpacked(cache) {
  const folder = join(import.meta.dirname, "node_modules", "@sparticuz", "chromium");
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const home = join(cache, `chromium-${version}`);
  if (existsSync(home)) return home;
  const partial = `${home}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const { TMPDIR } = process.env;
  process.env.TMPDIR = partial;
  await sparticuz.executablePath();
  await inflate(join(folder, "bin", "al2023.tar.br"));
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  try {
    renameSync(partial, home);
  } catch (error) {
    if (!existsSync(home)) throw error; // another process was faster
    rmSync(partial, { recursive: true });
  }
  return home;
}
