import { OPTIONS, type ProfileOption, type SafePrivateElement, type ScrubRule } from '../deidentify/index.js';
import { scrubRule } from './scrub-section.js';
import type { YamlValue } from './yaml-reader.js';

/** What a project's file says under `deidentify`, which PIXL's have not. */
export interface DeidentifySection {
  readonly profile: 'pixl' | 'ps3.15';
  /** Of the profile ps3.15. */
  readonly options: readonly ProfileOption[];
  /** What its option retain-safe-private keeps. */
  readonly safePrivate: readonly SafePrivateElement[];
  /** SOP classes that are taken although their kind is left out: secondary capture, documents, reports, presentation states. */
  readonly allowSopClasses: ReadonlySet<string>;
  /** What is blanked in frames of some devices. */
  readonly scrub: readonly ScrubRule[];
}

const KEYS = ['profile', 'options', 'safe_private', 'allow_sop_classes', 'scrub'];
const OPTION_NAMES = Object.keys(OPTIONS) as ProfileOption[];
const UID = /^[0-9]+(\.[0-9]+)+$/;

/** Reads that section; what is wrong in it becomes a fault. */
export function deidentifySection(section: YamlValue): DeidentifySection {
  const of = section.mapping(KEYS);
  const profile = of('profile').isAbsent ? 'pixl' : of('profile').oneOf(['pixl', 'ps3.15'] as const);
  const options = of('options')
    .list()
    .flatMap((option) => option.oneOf(OPTION_NAMES) ?? []);
  const safePrivate = of('safe_private').list().flatMap(safePrivateElement);
  const allowSopClasses = new Set(of('allow_sop_classes').list().flatMap(sopClass));
  const scrub = of('scrub').list().flatMap(scrubRule);
  checkOptions(of('options'), options, profile, safePrivate.length > 0);
  if (safePrivate.length > 0 && !options.includes('retain-safe-private'))
    of('safe_private').fault('goes with the option retain-safe-private alone');
  return { profile: profile ?? 'pixl', options, safePrivate, allowSopClasses, scrub };
}

function checkOptions(
  value: YamlValue,
  options: readonly ProfileOption[],
  profile: DeidentifySection['profile'] | null,
  hasSafePrivate: boolean,
): void {
  const [full, modified] = ['retain-longitudinal-full-dates', 'retain-longitudinal-modified-dates'] as const;
  if (options.length > 0 && profile === 'pixl') value.fault('go with `profile: ps3.15` alone');
  if (options.includes(full) && options.includes(modified)) value.fault(`${full} excludes ${modified}`);
  if (options.includes('retain-safe-private') && !hasSafePrivate)
    value.fault('retain-safe-private needs a list: safe_private');
}

function safePrivateElement(item: YamlValue): SafePrivateElement[] {
  const of = item.mapping(['group', 'creator', 'element']);
  const group = of('group').wholeNumber(0x0009, 0xffff);
  const creator = of('creator').text();
  const element = of('element').wholeNumber(0, 0xff);
  if (group !== null && group % 2 === 0) of('group').fault('is no group of private elements: they are odd');
  return group === null || creator === null || element === null ? [] : [{ group, creator, element }];
}

function sopClass(item: YamlValue): string[] {
  const uid = item.text();
  if (uid === null) return [];
  if (!UID.test(uid)) item.fault('is no UID of a SOP class');
  return [uid];
}
