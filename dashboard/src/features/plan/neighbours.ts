/** Where an arrow key leads on the plan: pure. */
import type { Point } from "../../shared/views";

const DIRECTIONS: Readonly<Record<string, Point>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Index of the nearest centre in the arrow's direction, `from` itself where there is none. */
export function neighbour(centres: readonly Point[], from: number, key: string): number {
  if (key === "Home") return 0;
  if (key === "End") return centres.length - 1;
  const direction = DIRECTIONS[key];
  const here = centres[from];
  if (!direction || !here) return from;
  let best = from;
  let least = Infinity;
  centres.forEach(([x, y], index) => {
    const [dx, dy] = [x - here[0], y - here[1]];
    const along = dx * direction[0] + dy * direction[1];
    const across = Math.abs(dx * direction[1]) + Math.abs(dy * direction[0]);
    // Within 45 degrees of the arrow; what lies straight ahead wins over what lies aside.
    if (index === from || along <= 0 || across > along) return;
    const cost = along + 2 * across;
    if (cost >= least) return;
    least = cost;
    best = index;
  });
  return best;
}
