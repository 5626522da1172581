/** What can be wrong with a camera or device, most urgent first: in words, and what to do about it. */

interface ProblemWords {
  kind: string;
  /** `broken`: its spaces are unknown or vehicles are not counted. `poor`: works, but not well. */
  level: "broken" | "poor";
  title: string;
  what: string;
  todo: string;
  /** The document and its section. */
  page: string;
  section: string;
}

export const PROBLEMS = [
  {
    kind: "offline",
    level: "broken",
    title: "Offline",
    what: "It sends nothing, so its spaces are unknown.",
    todo: "Check its power and network; the reason beside it says how far the connection gets.",
    page: "cameras.md",
    section: "When a camera fails",
  },
  {
    kind: "unhealthy",
    level: "broken",
    title: "Picture cannot be trusted",
    what: "Its spaces are unknown until the picture is good again.",
    todo: "Clean the lens, remove what covers it, or confirm the outlines if the camera was moved.",
    page: "cameras.md",
    section: "Pictures that cannot be trusted",
  },
  {
    kind: "late",
    level: "broken",
    title: "Pictures arrive late",
    what: "They are too old to count when they arrive.",
    todo: "Set the clock of the camera or of this computer.",
    page: "cameras.md",
    section: "Old and unknown",
  },
  {
    kind: "stale",
    level: "broken",
    title: "No new picture",
    what: "Its last picture is older than three intervals.",
    todo: "Wait a minute: it recovers, or it is reported offline with the reason.",
    page: "cameras.md",
    section: "Old and unknown",
  },
  {
    kind: "lost",
    level: "broken",
    title: "Gate events lost",
    what: "The device’s memory was full, so some vehicles were not counted.",
    todo: "Restore its connection, then recount the vehicles on the page “Stays”.",
    page: "firmware.md",
    section: "Guarantees",
  },
  {
    kind: "no-layout",
    level: "broken",
    title: "No spaces drawn",
    what: "It sends pictures that nobody uses.",
    todo: "Draw its spaces, or remove the camera.",
    page: "cameras.md",
    section: "Slots",
  },
  {
    kind: "no-access",
    level: "broken",
    title: "No access",
    what: "It has no password and no key, so it cannot connect.",
    todo: "Add it below, or remove the camera if it was revoked on purpose.",
    page: "devices.md",
    section: "Devices and their access",
  },
  {
    kind: "replayed",
    level: "poor",
    title: "Messages replayed",
    what: "Somebody sent copies of its earlier messages. They were refused.",
    todo: "Give it a new password, and find out who can read its network.",
    page: "devices.md",
    section: "Replay and spoofing",
  },
  {
    kind: "rate",
    level: "poor",
    title: "Above its rate limit",
    what: "It sent more than its share; the excess was refused.",
    todo: "Make it send less often, or find out why it repeats messages.",
    page: "devices.md",
    section: "Replay and spoofing",
  },
  {
    kind: "busy",
    level: "poor",
    title: "Analysed too slowly",
    what: "This computer is too busy for every picture, so changes show later.",
    todo: "Give the detector more cores, or make the cameras send less often.",
    page: "cameras.md",
    section: "Old and unknown",
  },
  {
    kind: "slow",
    level: "poor",
    title: "Sends too slowly",
    what: "Its pictures arrive less often than the layout expects, so changes show later.",
    todo: "Check its network, or set a longer interval in its layout.",
    page: "cameras.md",
    section: "When a camera fails",
  },
  {
    kind: "blurred",
    level: "poor",
    title: "Part of the picture is blurred",
    what: "The spaces behind that part are unknown.",
    todo: "Look for a wet or dirty lens.",
    page: "cameras.md",
    section: "Pictures that cannot be trusted",
  },
  {
    kind: "waiting",
    level: "poor",
    title: "Gate events waiting",
    what: "The device keeps events that it could not send yet, so the count is behind.",
    todo: "Nothing while the number falls; otherwise check its network.",
    page: "firmware.md",
    section: "Guarantees",
  },
  {
    kind: "drops",
    level: "poor",
    title: "Drops pictures",
    what: "Since its start it dropped more than one picture in twenty.",
    todo: "Improve its network, or choose smaller pictures.",
    page: "firmware.md",
    section: "Guarantees",
  },
  {
    kind: "signal",
    level: "poor",
    title: "Weak signal",
    what: "Below -75 dBm, connections break and pictures are dropped.",
    todo: "Move the access point or the antenna closer.",
    page: "firmware.md",
    section: "Boards and wiring",
  },
  {
    kind: "firmware",
    level: "poor",
    title: "Old firmware",
    what: "Another device of this lot runs a newer version.",
    todo: "Update it over the air.",
    page: "firmware.md",
    section: "Updates",
  },
  {
    kind: "unused",
    level: "poor",
    title: "Never connected",
    what: "It is allowed to connect, but has not reported yet.",
    todo: "Load its configuration into the device, or revoke it.",
    page: "firmware.md",
    section: "Provisioning",
  },
] as const satisfies readonly ProblemWords[];

export type ProblemKind = (typeof PROBLEMS)[number]["kind"];

export type ProblemEntry = Omit<ProblemWords, "kind"> & { kind: ProblemKind };

/** The kinds in the order of their urgency: 0 is the most urgent. */
export const URGENCY: ReadonlyMap<ProblemKind, number> = new Map(
  PROBLEMS.map(({ kind }, index) => [kind, index]),
);

export function problemEntry(kind: ProblemKind): ProblemEntry {
  const entry = PROBLEMS.find((each) => each.kind === kind);
  if (!entry) throw new Error(`no words for ${kind}`);
  return entry;
}
