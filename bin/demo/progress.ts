import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { Status } from '../../src/api/index.js';
import { hashedNames } from '../../src/core/log.js';
import { printLine } from '../output.js';
import { printable } from '../printable.js';
import type { DemoStudy, Story } from './studies.js';

interface Row {
  readonly label: string;
  readonly study: DemoStudy;
  /** What was shown last. */
  step: string;
  bar: SingleBar | null;
}

/** How far each study is: as bars on a terminal, else a line for each step. */
export class StudyProgress {
  readonly #bars: MultiBar | null;
  /** By the name that `status` gives a study. */
  readonly #rows: ReadonlyMap<string, Row>;

  constructor(stories: readonly Story[]) {
    this.#bars = process.stdout.isTTY
      ? new MultiBar(
          { format: '  {label} {bar} {value}/{total} {step}', hideCursor: true, stream: process.stdout },
          Presets.shades_grey,
        )
      : null;
    const rows = stories.flatMap(({ what, studies }) => studies.map((study) => ({ what, study })));
    const width = Math.max(...rows.map(({ what, study }) => labelOf(study, what).length));
    this.#rows = new Map(
      rows.map(({ what, study }) => {
        const label = labelOf(study, what).padEnd(width);
        const bar = this.#bars?.create(study.images, 0, { label, step: 'waits' }) ?? null;
        return [hashedNames(study.studyInstanceUid), { label, study, step: 'waits', bar }];
      }),
    );
  }

  show({ studies }: Status): void {
    for (const { study, step, archive, images_done: done } of studies) {
      const row = this.#rows.get(study);
      if (row === undefined) continue;
      const text = printable(step === 'retrieve' ? `retrieve from ${archive}` : step);
      row.bar?.update(done, { step: text });
      if (row.bar === null && row.step !== text) printLine(`  ${row.label}  ${text}`);
      row.step = text;
    }
  }

  /** All has come to an end. */
  finish(): void {
    for (const { bar, study } of this.#rows.values()) bar?.update(study.images, { step: 'delivered' });
    this.stop();
  }

  stop(): void {
    this.#bars?.stop();
  }
}

function labelOf({ name }: DemoStudy, what: string): string {
  return printable(`${name} (${what})`);
}
