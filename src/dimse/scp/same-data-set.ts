import { DicomFile } from './part10.js';

/** Whether two DICOM files hold the same data set in the same transfer syntax, byte for byte. */
export async function sameDataSet(path: string, otherPath: string): Promise<boolean> {
  const file = await DicomFile.open(path);
  try {
    const other = await DicomFile.open(otherPath);
    try {
      return file.meta.transferSyntaxUid === other.meta.transferSyntaxUid && (await samePieces(file, other));
    } finally {
      await other.close();
    }
  } finally {
    await file.close();
  }
}

async function samePieces(file: DicomFile, other: DicomFile): Promise<boolean> {
  const others = other.dataSet();
  for await (const piece of file.dataSet()) {
    const { value, done } = await others.next();
    if (done === true || !piece.equals(value)) return false;
  }
  return (await others.next()).done === true;
}
