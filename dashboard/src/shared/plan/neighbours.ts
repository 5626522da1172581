/** Finds the slot that an arrow key leads to. Pure. */
import { ARROWS } from "../arrows";
import type { Point } from "../views";

/** The index of the nearest centre in the arrow's direction; `from` if there is none. */
export function neighbour(centres: readonly Point[], from: number, key: string): number {
  if (key === "Home") return 0;
  if (key === "End") return centres.length - 1;
  const direction = ARROWS[key];
  const here = centres[from];
  if (!direction || !here) return from;
  let best = from;
  let least = Infinity;
  centres.forEach(([x, y], index) => {
    const [dx, dy] = [x - here[0], y - here[1]];
    const along = dx * direction[0] + dy * direction[1];
    const across = Math.abs(dx * direction[1]) + Math.abs(dy * direction[0]);
    // Only within 45 degrees of the arrow; centres straight ahead are preferred.
    if (index === from || along <= 0 || across > along) return;
    const cost = along + 2 * across;
    if (cost >= least) return;
    least = cost;
    best = index;
  });
  return best;
}
