import { expect } from 'chai';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OptedOutError, OptOutFileError, OptOutList, type OptOuts } from '../../../src/core/opt-out.js';
import { runCli } from '../../support/cli.js';
import type { DeidentifiedStudy } from '../../support/dicom-files.js';
import { rejection } from '../../support/scripted-scp.js';
import { PROJECT, useExports } from './export-fixture.js';

describe('A patient who opted out', () => {
  const exports = useExports();
  const listed = (text: string): { readonly file: string; readonly optOuts: OptOuts } => {
    const file = join(exports.folder, 'opt-outs.txt');
    writeFileSync(file, text);
    return { file, optOuts: new OptOutList(file, () => null) };
  };

  async function expectNotExported(study: DeidentifiedStudy): Promise<void> {
    expect([exports.haven.files(), await exports.exportedAt(study)]).to.deep.equal([[], null]);
  }

  it('is not exported when added after the delivery: exit 1, and nothing is sent', async () => {
    const study = await exports.study();
    const { file } = listed('');
    const env = { ...exports.env(), PIXL_OPT_OUT_FILE: file };
    const command = ['upload-study', '--study-uid', study.studyInstanceUid, '--project', PROJECT];
    writeFileSync(file, `${study.original.mrn}\n`);
    const { code, stderr } = await runCli(command, { env });
    expect(code).to.equal(1);
    expect(stderr).to.contain('OPTED_OUT: the patient opted out').and.not.contain(study.original.mrn);
    await expectNotExported(study);
    writeFileSync(file, 'somebody else\n');
    expect(await runCli(command, { env })).to.include({ code: 0 });
  });

  it('is not exported when added while the study is being sent: it never gets its name', async () => {
    const study = await exports.study({ instances: 5 });
    const { file, optOuts } = listed('');
    let asked = 0;
    const added: OptOuts = {
      current: () => {
        asked += 1;
        if (asked === 2) writeFileSync(file, study.original.mrn);
        return optOuts.current();
      },
    };
    await rejection(exports.export(study, exports.parts({ optOuts: added })), OptedOutError);
    expect(asked).to.equal(2);
    await expectNotExported(study);
  });

  it('may be anybody where nobody knows whose study it is: then nothing is exported', async () => {
    const study = await exports.study();
    await exports.database.query("UPDATE pixl_pipeline.image SET mrn = ''");
    const { optOuts } = listed('1');
    const error = await rejection(exports.export(study, exports.parts({ optOuts })), OptedOutError);
    expect(error.message).to.contain('nobody knows whose study it is');
    await expectNotExported(study);
  });

  it('may be anybody while the list can not be read: then nothing is exported', async () => {
    const study = await exports.study();
    const { file, optOuts } = listed('1');
    await optOuts.current();
    rmSync(file);
    await rejection(exports.export(study, exports.parts({ optOuts })), OptOutFileError);
    await expectNotExported(study);
    writeFileSync(file, '');
    await exports.export(study, exports.parts({ optOuts }));
  });
});
