import type { MethodCode } from '../profile.js';

/** The options of the Basic Application Level Confidentiality Profile that are offered (PS3.15 E.3). */
export type ProfileOption =
  | 'retain-uids'
  | 'retain-safe-private'
  | 'retain-device-identity'
  | 'retain-institution-identity'
  | 'retain-patient-characteristics'
  | 'retain-longitudinal-full-dates'
  | 'retain-longitudinal-modified-dates'
  | 'clean-descriptors'
  | 'clean-structured-content'
  | 'clean-graphics';

export interface OptionFacts {
  /** The option's column in the table beside this file. */
  readonly column: string;
  readonly code: MethodCode;
}

/** Each option's column and its code in CID 7050 (PS3.16). */
export const OPTIONS: Readonly<Record<ProfileOption, OptionFacts>> = {
  'clean-graphics': { column: 'G', code: { value: '113103', meaning: 'Clean Graphics Option' } },
  'clean-structured-content': {
    column: 'S',
    code: { value: '113104', meaning: 'Clean Structured Content Option' },
  },
  'clean-descriptors': { column: 'T', code: { value: '113105', meaning: 'Clean Descriptors Option' } },
  'retain-longitudinal-full-dates': {
    column: 'F',
    code: { value: '113106', meaning: 'Retain Longitudinal Temporal Information Full Dates Option' },
  },
  'retain-longitudinal-modified-dates': {
    column: 'M',
    code: { value: '113107', meaning: 'Retain Longitudinal Temporal Information Modified Dates Option' },
  },
  'retain-patient-characteristics': {
    column: 'H',
    code: { value: '113108', meaning: 'Retain Patient Characteristics Option' },
  },
  'retain-device-identity': {
    column: 'D',
    code: { value: '113109', meaning: 'Retain Device Identity Option' },
  },
  'retain-uids': { column: 'U', code: { value: '113110', meaning: 'Retain UIDs' } },
  'retain-safe-private': { column: 'P', code: { value: '113111', meaning: 'Retain Safe Private Option' } },
  'retain-institution-identity': {
    column: 'I',
    code: { value: '113112', meaning: 'Retain Institution Identity Option' },
  },
};

/** CID 7050: the profile itself. */
export const BASIC_PROFILE: MethodCode = {
  value: '113100',
  meaning: 'Basic Application Confidentiality Profile',
};
