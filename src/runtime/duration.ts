/**
 * A duration in words, as exact as one wants to read it.
 */
const units = [
  { name: 'd', seconds: 86_400 },
  { name: 'h', seconds: 3_600 },
  { name: 'min', seconds: 60 },
];

/** In the largest unit of which there are two: `90 s`, `119 min`, `47 h`, `3 d`. Less than nothing is `0 s`. */
export function durationText(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  const unit = units.find((candidate) => seconds >= 2 * candidate.seconds) ?? { name: 's', seconds: 1 };
  return `${Math.floor(seconds / unit.seconds)} ${unit.name}`;
}
