import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The notifier serves dist/ under a policy of `default-src 'self'`: nothing may be inlined.
export default defineConfig({
  plugins: [react()],
  build: {
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
    rolldownOptions: {
      // Two pages, and the service worker of the second, whose address must not change.
      input: { main: "index.html", driver: "driver/index.html", sw: "src/driver/worker.ts" },
      output: { entryFileNames: ({ name }) => (name === "sw" ? "p/sw.js" : "assets/[name]-[hash].js") },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node" },
});
