import { expect } from 'chai';
import { foundInputs } from './found-inputs.js';
import { fuzz } from './fuzz.js';
import { targets } from './targets/index.js';

/** PIXL_FUZZ_SEED=… tries the inputs of another run again. */
const seed = Number(process.env['PIXL_FUZZ_SEED'] ?? Date.now() % 2 ** 31);

/** About two seconds of each. */
const EXECUTIONS: Readonly<Record<string, number>> = { 'http-body': 1_000, csv: 1_500, parquet: 1_000 };

describe('The readers of what comes from outside', () => {
  for (const { name } of targets)
    it(`hold what they promise for any bytes: ${name} (${foundInputs(name).length} that once did harm)`, async () => {
      const { finding, executions } = await fuzz({
        target: name,
        seed,
        executions: EXECUTIONS[name] ?? 3_000,
        guided: false,
      });
      if (finding !== null)
        throw new Error(
          `seed ${seed}, ${name}, input ${Buffer.from(finding.input).toString('base64').slice(0, 4_000)}: ${finding.problem}`,
        );
      expect(executions).to.be.greaterThan(500);
    });
});
