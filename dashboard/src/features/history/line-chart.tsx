import { useEffect, useRef, useState } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { chartOptions } from "./chart-options";
import type { Line } from "./summaries";
import { dayAndTime } from "./times";
import { number } from "../../shared/language";

interface Props {
  label: string;
  starts_ms: readonly number[];
  lines: readonly Line[];
  time_zone: string;
  /** After each number: "%", or nothing. */
  unit: string;
}

/** Values over time. Screen readers get the label; the table beside the chart has the numbers. */
export function LineChart({ label, starts_ms, lines, time_zone, unit }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const top = unit === "%" ? 100 : null;

  useEffect(() => {
    const [box, keys] = [frame.current, legend.current];
    if (!box || !keys) return;
    const colours = () =>
      [...keys.querySelectorAll(".history-key")].map((key) => window.getComputedStyle(key).color);
    const options = chartOptions({ lines, time_zone, top, width: box.clientWidth, colours, setAt });
    const data: UPlot.AlignedData = [
      starts_ms.map((start_ms) => start_ms / 1000),
      ...lines.map(({ values }) => values),
    ];
    const plot = drawable() ? new UPlot(options, data, box) : null;
    const sizes = new ResizeObserver(() => {
      plot?.setSize({ width: box.clientWidth, height: options.height });
    });
    sizes.observe(box);
    const redraw = () => plot?.redraw(false);
    const themes = new MutationObserver(redraw);
    themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", redraw);
    return () => {
      sizes.disconnect();
      themes.disconnect();
      system.removeEventListener("change", redraw);
      plot?.destroy();
    };
  }, [starts_ms, lines, time_zone, top]);

  const start_ms = at === null ? undefined : starts_ms[at];
  return (
    <figure className="history-chart">
      <div ref={frame} role="img" aria-label={label} className="history-plot" />
      <figcaption>
        <ul ref={legend} className="history-legend">
          {lines.map((line, index) => (
            <li key={index}>
              <svg className={`history-key line-${index % 6}`} width="24" height="10" aria-hidden="true">
                <line x1="0" y1="5" x2="24" y2="5" />
              </svg>
              {line.label}
              {at !== null && <strong>{valueText(line.values[at] ?? null, unit)}</strong>}
            </li>
          ))}
          {start_ms !== undefined && <li className="muted">{dayAndTime(start_ms, time_zone)}</li>}
        </ul>
      </figcaption>
    </figure>
  );
}

function valueText(value: number | null, unit: string): string {
  return value === null ? "–" : `${number(value)}${unit && ` ${unit}`}`;
}

/** Some browsers have no canvas, or refuse another one. */
function drawable(): boolean {
  return document.createElement("canvas").getContext("2d") !== null;
}
