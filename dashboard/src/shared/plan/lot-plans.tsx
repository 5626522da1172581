import type { Drawing } from "./drawings";
import { LotPlan, type LotPlanProps } from "./lot-plan";
import { Patterns } from "./patterns";
import "./plan.css";

interface Props extends Omit<LotPlanProps, "drawing"> {
  drawings: readonly Drawing[];
}

/** All drawings of a lot, each with its title, and the patterns that they use. */
export function LotPlans({ drawings, ...plan }: Props) {
  return (
    <>
      <Patterns />
      {drawings.map((drawing) => (
        <figure key={drawing.key} className="plan-figure">
          <LotPlan drawing={drawing} {...plan} />
          {drawing.title && <figcaption>{drawing.title}</figcaption>}
        </figure>
      ))}
    </>
  );
}
