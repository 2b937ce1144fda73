/**
 * Delta debugging: finds the smallest input that still fails by removing pieces, halves first and single ones last.
 * (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.)
 */

/**
 * @param fails whether the parts, without those left out, still fail in the same way.
 * @returns parts of which no single one can be removed.
 */
export async function minimise<Part>(
  parts: readonly Part[],
  fails: (fewer: readonly Part[]) => Promise<boolean>,
): Promise<readonly Part[]> {
  let smallest = parts;
  for (let pieceSize = Math.ceil(parts.length / 2); pieceSize >= 1; ) {
    const before = smallest.length;
    for (let at = 0; at < smallest.length; ) {
      const fewer = [...smallest.slice(0, at), ...smallest.slice(at + pieceSize)];
      if (fewer.length < smallest.length && (await fails(fewer))) smallest = fewer;
      else at += pieceSize;
    }
    if (pieceSize > 1) pieceSize = Math.ceil(pieceSize / 2);
    else if (smallest.length === before) break;
  }
  return smallest;
}
