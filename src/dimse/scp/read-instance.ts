import { canBeKept } from '../../core/ids.js';
import { DataSetDeflateError, DataSetHeadError } from '../errors.js';
import { queryAttributesOf, type QueryAttributeValues } from './matching/index.js';
import { DicomFile } from './part10.js';

/** What a file says of the instance in it. */
export interface FileAttributes {
  readonly transferSyntaxUid: string;
  readonly attributes: QueryAttributeValues;
}

/** The head of most instances is shorter. */
const READ_LENGTH = 32_768;

/** What places an instance; without them it can't be stored. */
const UNIQUE_KEYWORDS = ['SOPClassUID', 'SOPInstanceUID', 'SeriesInstanceUID', 'StudyInstanceUID'];

/**
 * What a file says of its instance that queries can ask for.
 *
 * @throws DataSetHeadError when it is no DICOM file, or has not the UIDs that place it; what the file system says
 */
export async function readInstance(path: string): Promise<FileAttributes> {
  const { transferSyntaxUid, attributes } = await readFile(path);
  return { transferSyntaxUid, attributes: withPlace(attributes) };
}

/** The same attributes. @throws DataSetHeadError when the UIDs that place an instance are not among them */
export function withPlace(attributes: QueryAttributeValues): QueryAttributeValues {
  for (const keyword of UNIQUE_KEYWORDS)
    if (!canBeKept(attributes.get(keyword) ?? ''))
      throw new DataSetHeadError(`${keyword} is missing or no UID`);
  return attributes;
}

async function readFile(path: string): Promise<FileAttributes> {
  const file = await DicomFile.open(path, { pieceLength: READ_LENGTH });
  try {
    const { transferSyntaxUid } = file.meta;
    return {
      transferSyntaxUid,
      attributes: await queryAttributesOf(file.dataSet(), transferSyntaxUid),
    };
  } catch (error) {
    if (error instanceof DataSetDeflateError) throw new DataSetHeadError(error.problem, error);
    throw error;
  } finally {
    await file.close();
  }
}
