import { writeFile } from 'node:fs/promises';
import dcmjs from 'dcmjs';

const { DicomDict, DicomMetaDictionary } = dcmjs.data;

const EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';

/** Grey values of 16 bits, and how they are to be shown. */
export interface Pixels {
  readonly size: number;
  readonly values: Int16Array;
  /** Centre and width of what is shown between black and white. */
  readonly window: { readonly centre: number; readonly width: number };
}

/** Data elements by keyword. */
export type Attributes = Readonly<
  Record<string, string | number | readonly string[] | readonly Readonly<Record<string, number>>[]>
>;

/** Writes a DICOM file (PS3.10) of one image with the given attributes; its SOP class and UIDs are among them. */
export async function writeInstance(path: string, attributes: Attributes, pixels: Pixels): Promise<void> {
  const { size, values, window } = pixels;
  const dataSet = {
    ...attributes,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: size,
    Columns: size,
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 1,
    WindowCenter: window.centre,
    WindowWidth: window.width,
    PixelData: [new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice().buffer],
    _vrMap: { PixelData: 'OW' },
  };
  const file = new DicomDict(
    DicomMetaDictionary.denaturalizeDataset({
      MediaStorageSOPClassUID: attributes['SOPClassUID'],
      MediaStorageSOPInstanceUID: attributes['SOPInstanceUID'],
      TransferSyntaxUID: EXPLICIT_VR_LITTLE_ENDIAN,
      ImplementationClassUID: '2.25.80302813137786398554742050926734630921',
      ImplementationVersionName: 'PIXL_DEMO',
    }),
  );
  file.dict = DicomMetaDictionary.denaturalizeDataset(dataSet);
  await writeFile(path, Buffer.from(file.write()));
}
