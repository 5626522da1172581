import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app/app";
import { ErrorBoundary } from "./app/error-boundary";
import { applyTheme, storedTheme } from "./app/theme";
import "./shared/base.css";
import { stream } from "./stream";

applyTheme(storedTheme());
stream.start();

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <App />
    </ErrorBoundary>
  </StrictMode>,
);
