import { Fragment, type ReactNode } from "react";

import { say, type Key } from "./language";

interface Props {
  message: Key;
  /** The element for each placeholder. */
  parts: Readonly<Record<string, ReactNode>>;
  values?: Readonly<Record<string, string | number>>;
}

/** A message with elements in it, such as a link or a command: each language has them in its own
 * order. */
export function Rich({ message, parts, values = {} }: Props) {
  const pieces = say(message, values).split(/\{(\w+)\}/);
  return pieces.map((piece, index) => (
    <Fragment key={index}>{index % 2 === 0 ? piece : parts[piece]}</Fragment>
  ));
}
