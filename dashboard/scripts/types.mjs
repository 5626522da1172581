// Writes src/shared/events.ts from ../schemas/*.json; with --check it only says whether they differ.
import { compile } from "json-schema-to-typescript";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const schemas = new URL("../../schemas/", import.meta.url);
const target = new URL("../src/shared/events.ts", import.meta.url);
// What reaches the browser; the other events stay behind the notifier.
const wanted = ["camera-status-changed", "layout-published", "session-changed", "slot-changed"];

const definitions = {};
for (const name of readdirSync(schemas).sort()) {
  if (!wanted.some((event) => name.startsWith(`${event}.v`)) || !name.endsWith(".json")) continue;
  const {
    $defs = {},
    $schema: _,
    $id: __,
    ...schema
  } = JSON.parse(readFileSync(new URL(name, schemas), "utf8"));
  Object.assign(definitions, $defs, { [schema.title]: schema });
}
const root = {
  title: "Events",
  description: "All events that reach the browser.",
  type: "object",
  additionalProperties: false,
  properties: Object.fromEntries(Object.keys(definitions).map((name) => [name, { $ref: `#/$defs/${name}` }])),
  required: Object.keys(definitions),
  $defs: plain(definitions),
};
const text = await compile(root, "Events", {
  bannerComment: "// Generated from schemas/ by `npm run types`. Do not edit.",
  additionalProperties: false,
  ignoreMinAndMaxItems: true,
});

if (!process.argv.includes("--check")) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  console.error("src/shared/events.ts differs from schemas/: run `npm run types`");
  process.exit(1);
}

/** The older draft that the generator knows writes tuples as `items`. */
function plain(node) {
  if (Array.isArray(node)) return node.map(plain);
  if (node === null || typeof node !== "object") return node;
  const { prefixItems, ...rest } = node;
  const copy = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, plain(value)]));
  return prefixItems ? { ...copy, items: plain(prefixItems), additionalItems: false } : copy;
}
