/** Spaces that the server proposes from where vehicles stood. Pure. */
import type { DrawnSlot } from "./drawing";
import { spaces } from "./editor-words";
import type { Outline } from "./outlines";
import { sharedPart } from "./overlaps";
import { say } from "../../shared/language";

/** The newest picture, or the last 24 hours. */
export type ProposalSource = "picture" | "day";

export interface ProposedSlot {
  /** By the rule of names; unique among the proposals. */
  slot_id: string;
  /** Convex. */
  polygon: Outline;
  /** The number of pictures in which a vehicle stood there. 0 means a gap in a row. */
  frames: number;
}

/** The proposals, and the number of pictures that they come from. */
export interface Proposals {
  frames: number;
  slots: readonly ProposedSlot[];
}

/** Two outlines that share more than this part of the smaller one are the same space. */
const SAME = 0.25;

/** The proposals still to decide on: not dismissed, and neither over a drawn space nor over each other. An
 * accepted one is drawn, so it is left out until that is undone. */
export function openProposals(
  proposed: readonly ProposedSlot[],
  dismissed: ReadonlySet<string>,
  drawn: readonly DrawnSlot[],
): ProposedSlot[] {
  const open: ProposedSlot[] = [];
  for (const one of proposed) {
    const covers = (other: { polygon: Outline }) => sharedPart(one.polygon, other.polygon) > SAME;
    if (!dismissed.has(one.slot_id) && !drawn.some(covers) && !open.some(covers)) open.push(one);
  }
  return open;
}

/** The result of a request, for the status line. */
export function answerWords({ frames, slots }: Proposals, open: number, source: ProposalSource): string {
  if (frames === 0) return say("propose.noPicture");
  if (!slots.length)
    return source === "picture" ? say("propose.noVehicle") : say("propose.noneStood", { count: frames });
  if (!open) return say("propose.done");
  return say("propose.found", { spaces: spaces(open), count: frames });
}

/** How often a vehicle stood at a proposed space. */
export function evidenceWords({ frames }: ProposedSlot, of: number): string {
  return frames === 0 ? say("propose.gap") : say("propose.stood", { frames, count: of });
}
