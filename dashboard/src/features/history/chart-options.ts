/** The options of a chart over time. */
import UPlot from "uplot";

import type { Line } from "./summaries";
import { dayOf, timeOfDay } from "./times";

interface Given {
  lines: readonly Line[];
  time_zone: string;
  /** The highest value of the axis, or null to fit the data. */
  top: number | null;
  width: number;
  /** The lines' colours and then the axes', as they are now. */
  colours: () => readonly string[];
  setAt: (index: number | null) => void;
}

const HEIGHT = 260;
// Lines differ by more than colour.
const DASHES: readonly (number[] | undefined)[] = [undefined, [8, 4], [2, 3], [10, 3, 2, 3], [4, 4], [1, 5]];

export function chartOptions({ lines, time_zone, top, width, colours, setAt }: Given): UPlot.Options {
  const axisColour = () => window.getComputedStyle(document.body).color;
  const grid = { stroke: () => `color-mix(in srgb, ${axisColour()}, transparent 88%)`, width: 1 };
  return {
    width,
    height: HEIGHT,
    tzDate: (time_s) => UPlot.tzDate(new Date(time_s * 1000), time_zone),
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_, __, max) => [0, top ?? Math.max(1, Math.ceil(max * 1.05))] } },
    axes: [
      {
        stroke: axisColour,
        grid,
        ticks: grid,
        space: 64,
        values: (_, splits) => splits.map((time_s) => tickText(time_s * 1000, time_zone)),
      },
      {
        stroke: axisColour,
        grid,
        ticks: grid,
        size: 44,
        incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000],
      },
    ],
    series: [
      {},
      ...lines.map(({ label }, index): UPlot.Series => {
        const dash = DASHES[index % DASHES.length];
        return {
          label,
          width: 2,
          points: { show: false },
          stroke: () => colours()[index] ?? axisColour(),
          ...(dash && { dash }),
          ...(UPlot.paths.stepped && { paths: UPlot.paths.stepped({ align: 1 }) }),
        };
      }),
    ],
    hooks: {
      setCursor: [
        (plot) => {
          setAt(plot.cursor.idx ?? null);
        },
      ],
    },
  };
}

/** The day at midnight, else the time. */
function tickText(time_ms: number, time_zone: string): string {
  const time = timeOfDay(time_ms, time_zone);
  return time === "00:00" ? dayOf(time_ms, time_zone) : time;
}
