/** What can be wrong with a camera or device, most urgent first. */
import { say } from "../../shared/language";

interface ProblemFacts {
  kind: string;
  /** `broken`: its spaces are unknown or vehicles are not counted. `poor`: works, but not well. */
  level: "broken" | "poor";
  /** The document and its section. */
  page: string;
  section: string;
}

export const PROBLEMS = [
  {
    kind: "offline",
    level: "broken",
    page: "cameras.md",
    section: "When a camera fails",
  },
  {
    kind: "unhealthy",
    level: "broken",
    page: "cameras.md",
    section: "Pictures that cannot be trusted",
  },
  {
    kind: "late",
    level: "broken",
    page: "cameras.md",
    section: "Old and unknown",
  },
  {
    kind: "stale",
    level: "broken",
    page: "cameras.md",
    section: "Old and unknown",
  },
  {
    kind: "lost",
    level: "broken",
    page: "firmware.md",
    section: "Guarantees",
  },
  {
    kind: "no-layout",
    level: "broken",
    page: "cameras.md",
    section: "Slots",
  },
  {
    kind: "no-access",
    level: "broken",
    page: "devices.md",
    section: "Devices and their access",
  },
  {
    kind: "replayed",
    level: "poor",
    page: "devices.md",
    section: "Replay and spoofing",
  },
  {
    kind: "rate",
    level: "poor",
    page: "devices.md",
    section: "Replay and spoofing",
  },
  {
    kind: "busy",
    level: "poor",
    page: "cameras.md",
    section: "Old and unknown",
  },
  {
    kind: "slow",
    level: "poor",
    page: "cameras.md",
    section: "When a camera fails",
  },
  {
    kind: "blurred",
    level: "poor",
    page: "cameras.md",
    section: "Pictures that cannot be trusted",
  },
  {
    kind: "waiting",
    level: "poor",
    page: "firmware.md",
    section: "Guarantees",
  },
  {
    kind: "drops",
    level: "poor",
    page: "firmware.md",
    section: "Guarantees",
  },
  {
    kind: "signal",
    level: "poor",
    page: "firmware.md",
    section: "Boards and wiring",
  },
  {
    kind: "firmware",
    level: "poor",
    page: "firmware.md",
    section: "Updates",
  },
  {
    kind: "unused",
    level: "poor",
    page: "firmware.md",
    section: "Provisioning",
  },
] as const satisfies readonly ProblemFacts[];

export type ProblemKind = (typeof PROBLEMS)[number]["kind"];

export type ProblemEntry = Omit<ProblemFacts, "kind"> & { kind: ProblemKind };

/** The kinds in the order of their urgency: 0 is the most urgent. */
export const URGENCY: ReadonlyMap<ProblemKind, number> = new Map(
  PROBLEMS.map(({ kind }, index) => [kind, index]),
);

/** Its name, what it means, or what to do about it. */
export function problemWords(part: "title" | "what" | "todo", kind: ProblemKind): string {
  return say(`problem.${part}.${kind}`);
}

export function problemEntry(kind: ProblemKind): ProblemEntry {
  const entry = PROBLEMS.find((each) => each.kind === kind);
  if (!entry) throw new Error(`no problem is called ${kind}`);
  return entry;
}
