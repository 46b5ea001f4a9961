/** The statements of PIXL's `us-deid.recipe`, the one recipe that is understood, without labels and comments. */
const KNOWN: readonly RegExp[] = [
  /^FORMAT dicom$/i,
  /^%filter (whitelist|graylist)$/i,
  /^LABEL /i,
  /^contains BurnedInAnnotation No$/i,
  /^coordinates all$/i,
  /^present SequenceOfUltrasoundRegions$/i,
  /^keepcoordinates from:SequenceOfUltrasoundRegions$/i,
];
const KEEP_REGIONS = /^\s*keepcoordinates from:SequenceOfUltrasoundRegions\s*$/im;

/**
 * What is wrong with a recipe of PIXL's image operations: one that is not followed to the letter would leave something to be seen.
 *
 * @returns the line, from 1, and the problem; null when it says to blank all outside of the ultrasound regions and nothing else
 */
export function recipeFault(text: string): { readonly line: number | null; readonly problem: string } | null {
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const statement = line.replace(/#.*$/, '').trim();
    if (statement !== '' && !KNOWN.some((known) => known.test(statement)))
      return { line: index + 1, problem: 'a statement that is not understood' };
  }
  if (KEEP_REGIONS.test(text)) return null;
  return { line: null, problem: 'expected `keepcoordinates from:SequenceOfUltrasoundRegions`' };
}
