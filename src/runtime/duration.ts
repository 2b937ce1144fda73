/**
 * Renders a duration for people.
 */
const units = [
  { name: 'd', seconds: 86_400 },
  { name: 'h', seconds: 3_600 },
  { name: 'min', seconds: 60 },
];

/** Uses the largest unit that fits at least twice: `90 s`, `119 min`, `47 h`, `3 d`. A negative duration is `0 s`. */
export function durationText(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  const unit = units.find((candidate) => seconds >= 2 * candidate.seconds) ?? { name: 's', seconds: 1 };
  return `${Math.floor(seconds / unit.seconds)} ${unit.name}`;
}
