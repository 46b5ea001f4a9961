import { isUid } from '../../core/ids.js';
import { readAttributes, type AttributeValues } from '../data-set/attributes.js';
import { DataSetHeadError } from '../errors.js';
import { DicomFile } from './part10.js';
import { QUERY_ATTRIBUTES } from './query-attributes.js';

/** What places an instance; without them it can't be stored. */
const UNIQUE_KEYWORDS = ['SOPClassUID', 'SOPInstanceUID', 'SeriesInstanceUID', 'StudyInstanceUID'];
const PIECE_LENGTH = 16 * 1024;

/**
 * What a file says of its instance that queries can ask for.
 *
 * @throws DataSetHeadError when it is no DICOM file, or has not the UIDs that place it; what the file system says
 */
export async function readInstance(
  path: string,
): Promise<{ readonly transferSyntaxUid: string; readonly attributes: AttributeValues }> {
  const file = await DicomFile.open(path);
  try {
    const { transferSyntaxUid } = file.meta;
    const dataSet = file.dataSet(PIECE_LENGTH);
    const attributes = await readAttributes(dataSet, transferSyntaxUid, QUERY_ATTRIBUTES, UNIQUE_KEYWORDS);
    for (const keyword of UNIQUE_KEYWORDS)
      if (!isUid(attributes.get(keyword) ?? '')) throw new DataSetHeadError(`${keyword} is missing or no UID`);
    return { transferSyntaxUid, attributes };
  } finally {
    await file.close();
  }
}
