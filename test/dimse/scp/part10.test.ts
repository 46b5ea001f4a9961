import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeFileMeta } from '../../../src/dimse/data-set/file-meta.js';
import { DicomFile, MAX_PIECE_LENGTH } from '../../../src/dimse/scp/part10.js';
import { PieceBuffers } from '../../../src/dimse/scp/piece-buffers.js';
import { sameDataSet } from '../../../src/dimse/scp/same-data-set.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

const PIECE = 1_000;

describe('A DICOM file', () => {
  let dir: TempDir;
  beforeEach(() => {
    dir = tempDir('part10');
  });
  afterEach(() => dir.remove());

  /** @param sourceAeTitle goes into the meta information, whose length it changes */
  function written(name: string, dataSet: Buffer, sourceAeTitle = 'A'): string {
    const meta = {
      sopClassUid: '1.2.3',
      sopInstanceUid: '1.2.3.4',
      transferSyntax: '1.2.840.10008.1.2.1',
      sourceAeTitle,
    };
    const path = join(dir.path, name);
    writeFileSync(path, Buffer.concat([encodeFileMeta(meta), dataSet]));
    return path;
  }

  function bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, (_, index) => index % 251));
  }

  it('gives the bytes of its data set in pieces of the length that is asked for, the last one shorter', async () => {
    const readAtFirst = 16 * 1024;
    for (const length of [0, 1, PIECE - 1, PIECE, PIECE + 1, readAtFirst + PIECE - 1, 3 * readAtFirst + 7]) {
      const dataSet = bytes(length);
      const file = await DicomFile.open(written('file', dataSet), { pieceLength: PIECE });
      const pieces: Buffer[] = [];
      for await (const piece of file.dataSet()) pieces.push(piece);
      await file.close();
      expect(Buffer.concat(pieces).equals(dataSet), `${length} bytes`).to.equal(true);
      for (const piece of pieces.slice(0, -1)) expect(piece.length, `of ${length} bytes`).to.equal(PIECE);
    }
  });

  it('reads into the buffers of pieces that were released, and into no others', async () => {
    const buffers = new PieceBuffers(16 * 1024 + PIECE);
    const dataSet = bytes(5 * PIECE);
    const path = written('file', dataSet);
    const used = new Set<ArrayBufferLike>();
    for (let round = 0; round < 3; round += 1) {
      const file = await DicomFile.open(path, { pieceLength: PIECE, buffers });
      const read: Buffer[] = [];
      let before: Buffer | null = null;
      for await (const piece of file.dataSet()) {
        used.add(piece.buffer);
        if (before !== null) {
          read.push(Buffer.from(before)); // the read of the piece behind it has not touched it
          file.release(before);
        }
        before = piece;
      }
      read.push(Buffer.from(before!));
      file.release(before!);
      await file.close();
      expect(Buffer.concat(read).equals(dataSet), `round ${round}`).to.equal(true);
    }
    expect(used.size).to.be.at.most(3);
  });

  it('has the same data set as another whatever their meta information, as long as no byte differs', async () => {
    const piece = MAX_PIECE_LENGTH;
    for (const length of [10, piece, piece + 16_000, piece + 16_100, 2 * piece + 1]) {
      const dataSet = bytes(length);
      const one = written('one', dataSet);
      expect(await sameDataSet(one, written('same', dataSet, 'LONGER_AE_TITLE')), `${length}`).to.equal(true);
      dataSet.writeUInt8(255, length - 1);
      expect(await sameDataSet(one, written('other', dataSet)), `${length}, last byte`).to.equal(false);
      expect(await sameDataSet(one, written('short', dataSet.subarray(0, -1))), `${length}, cut`).to.equal(
        false,
      );
    }
  });
});
