/** The fill patterns, once for all drawings, which use them by url(#…). */
export function Patterns() {
  return (
    <svg width="0" height="0" className="definitions" aria-hidden="true">
      <pattern
        id="closed-hatch"
        width="9"
        height="9"
        patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"
      >
        <rect width="3" height="9" className="hatch" />
      </pattern>
      <pattern
        id="old-stripes"
        width="6"
        height="6"
        patternUnits="userSpaceOnUse"
        patternTransform="rotate(-45)"
      >
        <rect width="1.5" height="6" className="stripe" />
      </pattern>
    </svg>
  );
}
