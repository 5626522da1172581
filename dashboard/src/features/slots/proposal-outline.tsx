import { middleOf, pathOf, scaled } from "../../shared/geometry";
import type { Size } from "./outlines";
import type { ProposedSlot } from "./proposals";

interface Props {
  proposed: ProposedSlot;
  size: Size;
  selected: boolean;
  onToggle: (name: string) => void;
}

/** A proposed space on the picture, dashed. By keyboard it is selected in the list. */
export function ProposalOutline({ proposed, size, selected, onToggle }: Props) {
  const outline = scaled(proposed.polygon, [size.width, size.height]);
  const [x, y] = middleOf(outline);
  return (
    <g
      className={selected ? "slots-proposal slots-marked" : "slots-proposal"}
      aria-hidden="true"
      data-proposed={proposed.slot_id}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.stopPropagation(); // the picture would be dragged and the selection cleared
        onToggle(proposed.slot_id);
      }}
    >
      <polygon points={pathOf(outline)} />
      <text x={x} y={y} fontSize={size.width / 70}>
        {proposed.slot_id}
      </text>
    </g>
  );
}
