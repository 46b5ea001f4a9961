import { expect } from 'chai';
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeidentificationKeyError, requireKeyOfFolder } from '../../src/anon/index.js';
import { DatabaseUnavailableError } from '../../src/core/db/index.js';
import { keyCheckValue } from '../../src/deidentify/index.js';
import { DicomFile } from '../../src/dimse/index.js';
import { CANARIES, PATIENT, made } from '../deidentify/made.js';
import { element, encode, EXPLICIT, SYNTAXES, tag, type Element } from '../dimse/data-set/elements.js';
import { projectRoot } from '../support/fixtures.js';
import { rejection } from '../support/scripted-scp.js';
import { withTempDir } from '../support/temp-dir.js';
import { dicomFilesIn, everythingIn, refusalOf, RULES, storeMade, withAnon } from './anon-fixture.js';

const ui = (tag: number, value: string): Element =>
  element(tag, 'UI', value.length % 2 === 0 ? value : `${value}\0`);

/** What is there besides the instances that were kept. */
function expectNothingLeft(folder: string): void {
  expect(dicomFilesIn(folder)).to.deep.equal([]);
  expect(readdirSync(join(folder, '.incoming'))).to.deep.equal([]);
}

describe('A store that de-identifies', () => {
  for (const syntax of SYNTAXES)
    it(`keeps nothing of the patient, nor whom it came from: ${syntax.uid}`, () =>
      withTempDir(async (folder) => {
        await withAnon(folder, {}, async (store) => {
          const stored = await storeMade(store, [], { syntax });
          expect(stored.sopInstanceUid).to.match(/^2\.25\./);
          expect(store.index.instance(stored.sopInstanceUid)).to.equal(stored);
          const { meta } = await DicomFile.open(join(folder, stored.file)).then(async (file) => {
            await file.close();
            return file;
          });
          expect(meta.sopInstanceUid).to.equal(stored.sopInstanceUid);
          expect(meta.transferSyntaxUid).to.equal(syntax.uid);
        });
        const all = everythingIn(folder);
        expect(all).to.include('2.25.');
        for (const canary of [...CANARIES, 'WARD3CT']) expect(all).not.to.include(canary);
      }));

  it('keeps one of an instance that comes twice, and makes one study of two that share MRN and accession number', () =>
    withTempDir((folder) =>
      withAnon(folder, {}, async (store) => {
        const first = await storeMade(store);
        expect(await storeMade(store)).to.equal(first);
        const other = await storeMade(
          store,
          [ui(0x00080018, '1.2.9.3'), ui(0x0020000d, '1.2.9.1'), ui(0x0020000e, '1.2.9.2')],
          { sopInstanceUid: '1.2.9.3' },
        );
        expect(other.studyInstanceUid).to.equal(first.studyInstanceUid);
        expect(other.seriesInstanceUid).not.to.equal(first.seriesInstanceUid);
        expect(store.index.studies.size).to.equal(1);
        expect(store.index.size).to.equal(2);
      }),
    ));

  it('takes the project that delivery put in, however its character set writes it, else its own', () =>
    withTempDir((folder) =>
      withAnon(folder, { project: 'Etude 1' }, async (store) => {
        const untagged = await storeMade(store);
        for (const [index, charset] of ['ISO_IR 100', 'ISO_IR 192', 'ISO_IR 144', ''].entries()) {
          const sopInstanceUid = `1.2.3.${index}`;
          const elements = made([element(0x00080005, 'CS', charset), ui(0x00080018, sopInstanceUid)]);
          const bytes = await tag([encode(elements, EXPLICIT)], EXPLICIT.uid, 'Étude 1');
          const { studyInstanceUid } = await storeMade(store, [], { sopInstanceUid, bytes });
          expect(studyInstanceUid, charset).to.equal(untagged.studyInstanceUid);
        }
        const bytes = await tag([encode(made(), EXPLICIT)], EXPLICIT.uid, 'Etude 2');
        const other = await storeMade(store, [], { bytes });
        expect(other.sopInstanceUid).not.to.equal(untagged.sopInstanceUid);
        expect(other.studyInstanceUid).not.to.equal(untagged.studyInstanceUid);
      }),
    ));

  it('refuses what must not or can not be passed on, with the reason, and leaves nothing of it behind', () =>
    withTempDir((folder) =>
      withAnon(folder, {}, async (store) => {
        expect(await refusalOf(storeMade(store, [element(0x00280301, 'CS', 'YES')]))).to.deep.equal([
          'cde1',
          'excluded: burned-in-annotation',
        ]);
        expect((await refusalOf(storeMade(store, [], { sopInstanceUid: '1.2.3.4' })))[0]).to.equal('a900');
        const whole = encode(made([element(0x7fe00010, 'OW', Buffer.alloc(4000, 1))]), EXPLICIT);
        for (const bytes of [
          whole.subarray(0, 100),
          whole.subarray(0, whole.length - 10),
          Buffer.from('no data set'),
        ])
          expect((await refusalOf(storeMade(store, [], { bytes })))[0]).to.equal('c000');
        expectNothingLeft(folder);
        expect(store.index.size).to.equal(0);
        await storeMade(store);
      }),
    ));

  it('has the rules of the project where there are files of projects, and takes nothing for another one', () =>
    withTempDir(async (folder) => {
      const projects = join(folder, 'projects');
      cpSync(join(projectRoot, 'fixtures', 'pixl-projects'), projects, { recursive: true });
      await withAnon(join(folder, 'store'), { projectsFolder: projects }, async (store) => {
        for (const project of [null, 'no-such-project'])
          expect(await refusalOf(storeProject(project))).to.deep.equal(['cde1', 'excluded: unknown-project']);
        expect(await refusalOf(storeProject('Test External User', 'CT'))).to.deep.equal([
          'cde1',
          'excluded: modality',
        ]);
        const stored = await storeProject('Test External User');
        expect(stored.sopInstanceUid).to.match(/^2\.25\./);
        writeFileSync(join(projects, 'broken.yaml'), 'project: [');
        expect(await refusalOf(storeProject('broken'))).to.deep.equal([
          'a700',
          "the project's file can not be used",
        ]);

        async function storeProject(project: string | null, modality = 'MR'): ReturnType<typeof storeMade> {
          const facts = [element(0x00080060, 'CS', modality), element(0x00080070, 'LO', 'Siemens')];
          const plain = encode(made(facts), EXPLICIT);
          const bytes = project === null ? plain : await tag([plain], EXPLICIT.uid, project);
          return storeMade(store, [], { bytes });
        }
      });
    }));

  it('uses what somebody has decided to stand for a study and its patient, and waits for a database that is away', () =>
    withTempDir(async (folder) => {
      const asked: unknown[] = [];
      await withAnon(
        folder,
        {},
        async (store) => {
          const { studyInstanceUid, patientId } = await storeMade(store);
          expect([studyInstanceUid, patientId]).to.deep.equal(['1.2.3.99', 'SUBJECT-7']);
        },
        {
          settled: (study, { studyUid }) => {
            asked.push(study);
            expect(studyUid).to.match(/^2\.25\./);
            return Promise.resolve({ studyUid: '1.2.3.99', patientId: 'SUBJECT-7' });
          },
        },
      );
      expect(asked).to.deep.equal([
        {
          ...{ project: '', patientId: PATIENT.mrn, accessionNumber: PATIENT.accession },
          studyInstanceUid: PATIENT.study,
        },
      ]);
      const away = { settled: () => Promise.reject(new DatabaseUnavailableError('ECONNREFUSED')) };
      await withAnon(
        join(folder, 'other'),
        {},
        async (store) => {
          expect((await refusalOf(storeMade(store)))[0]).to.equal('a700');
          expectNothingLeft(join(folder, 'other'));
        },
        away,
      );
    }));
});

describe('The key of a store that de-identifies', () => {
  const check = keyCheckValue(RULES.secret);

  it('is the one that its folder was begun with, and no other', () =>
    withTempDir(async (folder) => {
      await requireKeyOfFolder(folder, check, 0);
      await requireKeyOfFolder(folder, check, 5);
      const other = keyCheckValue(Buffer.alloc(32, 'x'));
      const { message } = await rejection(requireKeyOfFolder(folder, other, 5), DeidentificationKeyError);
      expect(message).to.include(check).and.to.include(other);
      expect(everythingIn(folder)).not.to.include('kkkk');
    }));

  it('is none for a folder with instances that were stored as they came', () =>
    withTempDir(async (folder) => {
      mkdirSync(join(folder, 'store'));
      const { message } = await rejection(
        requireKeyOfFolder(join(folder, 'store'), check, 3),
        DeidentificationKeyError,
      );
      expect(message).to.include('3 instances that were not de-identified');
    }));
});
