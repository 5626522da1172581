import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The notifier serves dist/ under a policy of `default-src 'self'`: nothing may be inlined.
export default defineConfig({
  plugins: [react()],
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2023" },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
