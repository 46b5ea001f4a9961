import { readFile, writeFile } from 'node:fs/promises';
import dcmjs from 'dcmjs';
import { encode } from 'fast-png';

const { DicomMessage, DicomMetaDictionary } = dcmjs.data;

/** What of an instance's data set makes the picture; 16 bits of grey, as the demo's own studies have. */
interface Shown {
  readonly Rows: number;
  readonly Columns: number;
  readonly PixelData: readonly ArrayBuffer[];
  readonly WindowCenter: number | readonly number[];
  readonly WindowWidth: number | readonly number[];
}

/** Writes the image of a small DICOM file as a PNG, in the window that it asks for. */
export async function writePicture(dicomFile: string, pngFile: string): Promise<void> {
  const bytes = await readFile(dicomFile);
  const { dict } = DicomMessage.readFile(new Uint8Array(bytes).buffer);
  const shown = DicomMetaDictionary.naturalizeDataset(dict) as unknown as Shown;
  const [pixels] = shown.PixelData;
  if (pixels === undefined) throw new TypeError(`${dicomFile} has no Pixel Data`);
  const values = new Int16Array(pixels);
  const [centre, width] = [first(shown.WindowCenter), first(shown.WindowWidth)];
  const data = Uint8Array.from(values, (value) =>
    Math.min(255, Math.max(0, ((value - centre) / width + 0.5) * 255)),
  );
  await writeFile(pngFile, encode({ width: shown.Columns, height: shown.Rows, data, channels: 1, depth: 8 }));
}

function first(value: number | readonly number[]): number {
  return typeof value === 'number' ? value : (value[0] ?? 0);
}
