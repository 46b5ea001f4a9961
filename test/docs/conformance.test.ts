import { expect } from 'chai';
import { OUR_MAXIMUM_LENGTH } from '../../src/dimse/negotiation.js';
import { isStorageWarning, retryOfStatus } from '../../src/dimse/message/status.js';
import {
  STORAGE_TRANSFER_SYNTAXES,
  STUDY_ROOT_FIND,
  STUDY_ROOT_GET,
  STUDY_ROOT_MOVE,
  VERIFICATION,
} from '../../src/dimse/sop-classes.js';
import {
  IMPLEMENTATION_CLASS_UID,
  IMPLEMENTATION_VERSION_NAME,
} from '../../src/dimse/upper-layer/implementation.js';
import { page } from './mentions.js';

const statement = page('docs/conformance.md');
const scu = statement.split(/^## The embedded node$/m)[0]!;

/** The cells of the row that begins with this one, in the part about the service. */
function row(first: string): string[] {
  const cells = scu
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const found = cells.find(([cell]) => cell === first);
  if (found === undefined) throw new Error(`no row ${first}`);
  return found.slice(1);
}

describe('docs/conformance.md', () => {
  it('has the parts that PS3.2 wants, in its order', () => {
    const parts = [...scu.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    const wanted = ['Overview', 'Implementation model', 'The service as SCU', 'Network, profiles'];
    expect(parts).to.deep.equal([...wanted, 'Configuration', 'Character sets', 'Security']);
  });

  it('names the implementation and its limits as the code has them', () => {
    expect(row('implementation class UID')).to.deep.equal([IMPLEMENTATION_CLASS_UID]);
    expect(row('implementation version name')).to.deep.equal([`\`${IMPLEMENTATION_VERSION_NAME}\``]);
    expect(row('maximum length received')).to.deep.equal([OUR_MAXIMUM_LENGTH.toLocaleString('en-GB')]);
    expect(scu.replaceAll('\n', ' ')).to.contain(`the ${STORAGE_TRANSFER_SYNTAXES.length} transfer syntaxes`);
  });

  it('names the SOP classes by their UIDs', () => {
    expect(row('Verification')[0]).to.equal(VERIFICATION);
    expect(row('Study Root Query/Retrieve – FIND')[0]).to.equal(STUDY_ROOT_FIND);
    expect(row('Study Root Query/Retrieve – MOVE')[0]).to.equal(STUDY_ROOT_MOVE);
    expect(row('Study Root Query/Retrieve – GET')[0]).to.equal(STUDY_ROOT_GET);
  });

  it('has the numbers of associations that are the default', () => {
    const sample = page('.env.sample');
    const most = ['', '_RAW', '_ANON'].map(
      (node) => new RegExp(`^PIXL_MAX_ASSOCIATIONS${node}=(\\d+)$`, 'm').exec(sample)![1]!,
    );
    expect(row('simultaneous associations')[0]).to.match(
      new RegExp(`^${most[0]!} to an archive, ${most[1]!} to raw, ${most[2]!} to anon`),
    );
  });

  it('says truly which statuses are tried again, and which are warnings', () => {
    const never =
      '0x0105, 0x0106, 0x0112, 0x0115, 0x0117, 0x0118, 0x0119, 0x0120, 0x0121, 0x0122, 0x0124, 0x0211, 0x0212, 0xA801, 0xA900';
    expect(row(never)[0]).to.match(/^failure, not tried again/);
    const numbers = (text: string): number[] => (text.match(/0x[0-9A-F]{4}\b/g) ?? []).map(Number);
    const all = Array.from({ length: 0x1_0000 }, (_, status) => status);
    expect(all.filter((status) => retryOfStatus(status) === 'never')).to.deep.equal(numbers(never));
    expect(row('0xBxxx')[0]).to.match(/^delivered, with a warning/);
    expect(all.filter(isStorageWarning)).to.deep.equal(all.slice(0xb000, 0xc000));
  });
});
