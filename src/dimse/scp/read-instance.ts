import { isUid } from '../../core/ids.js';
import { DataSetDeflateError, DataSetHeadError } from '../errors.js';
import { queryAttributesOfFile, type FileAttributes } from './matching/index.js';

/** What places an instance; without them it can't be stored. */
const UNIQUE_KEYWORDS = ['SOPClassUID', 'SOPInstanceUID', 'SeriesInstanceUID', 'StudyInstanceUID'];

/**
 * What a file says of its instance that queries can ask for.
 *
 * @throws DataSetHeadError when it is no DICOM file, or has not the UIDs that place it; what the file system says
 */
export async function readInstance(path: string): Promise<FileAttributes> {
  let read;
  try {
    read = await queryAttributesOfFile(path);
  } catch (error) {
    if (error instanceof DataSetDeflateError) throw new DataSetHeadError(error.problem, error);
    throw error;
  }
  for (const keyword of UNIQUE_KEYWORDS)
    if (!isUid(read.attributes.get(keyword) ?? ''))
      throw new DataSetHeadError(`${keyword} is missing or no UID`);
  return read;
}
