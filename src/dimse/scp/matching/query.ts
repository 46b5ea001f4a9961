import { decodeText } from '../../data-set/decode-text.js';
import { elementsIn } from '../../data-set/elements-in.js';
import { encodingOf, type Encoding } from '../../data-set/encoding.js';
import { valueText } from '../../data-set/value-text.js';
import { DataSetHeadError, QueryError } from '../../errors.js';
import { Status } from '../../message/status.js';
import { KeyError, matcherOf, valuesOf } from './matcher.js';
import {
  QUERY_LEVELS,
  SUPPORTED_KEYS,
  UNIQUE_KEYS,
  type QueryAttribute,
  type QueryLevel,
} from './query-attributes.js';
import { hasWildCard } from './wild-card.js';

/** PS3.4 C.3.1, C.3.2. */
export type InformationModel = 'patient root' | 'study root';

/** One key of a query that the node can match and return. */
export interface QueryKey {
  readonly attribute: QueryAttribute;
  /** Null for universal matching: everything does. */
  readonly matches: ((stored: string) => boolean) | null;
  /** The values that alone can match, for a unique key without wild cards; null for all others. */
  readonly values: readonly string[] | null;
}

/** A C-FIND's Identifier that was found good (PS3.4 C.4.1.1.3.1). */
export interface Query {
  readonly model: InformationModel;
  readonly level: QueryLevel;
  /** The unique keys of the levels above, each with one value. */
  readonly parents: readonly QueryKey[];
  /** The others, the unique key of the level always among them. */
  readonly keys: readonly QueryKey[];
  /** Specific Character Set of the request, empty where there is none. */
  readonly characterSet: string;
  /** Whether all of its keys are matched and returned: else its answers are pending with a warning. */
  readonly allKeysSupported: boolean;
}

const SPECIFIC_CHARACTER_SET = 0x00080005;
const QUERY_RETRIEVE_LEVEL = 0x00080052;
/** Part of requests and answers, but no keys (PS3.4 C.2.2.2, C.4.1.1.3). */
const NO_KEYS: ReadonlySet<number> = new Set([
  SPECIFIC_CHARACTER_SET,
  QUERY_RETRIEVE_LEVEL,
  0x00080054, // Retrieve AE Title
  0x00080056, // Instance Availability
  0x00080201, // Timezone Offset From UTC
]);

/** The elements of an Identifier by tag, with their values; null for sequences. */
type Elements = ReadonlyMap<number, Buffer | null>;

/**
 * Reads the Identifier of a C-FIND-RQ. Keys that the node does not know, and those of levels below the query's, are left
 * out of the answers (PS3.4 C.2.2.1.3). Keys of higher levels that are not unique ones, which C.4.1.2.1 does not
 * allow, are matched and returned.
 *
 * @throws QueryError 0xA900 for what is against the information model or can't be matched, 0xC000 for what can't be read
 */
export function parseQuery(model: InformationModel, identifier: Buffer, transferSyntax: string): Query {
  const encoding = encodingOf(transferSyntax);
  const elements = elementsOf(identifier, encoding);
  const characterSet = asciiOf(elements, SPECIFIC_CHARACTER_SET);
  const level = levelOf(model, asciiOf(elements, QUERY_RETRIEVE_LEVEL));
  const above = levelsOf(model).slice(0, levelsOf(model).indexOf(level));
  const keys: QueryKey[] = [];
  let allKeysSupported = true;
  for (const [tag, value] of elements) {
    // Group lengths (PS3.5 7.2) are no keys either.
    if (NO_KEYS.has(tag) || (tag & 0xffff) === 0) continue;
    const attribute = SUPPORTED_KEYS.get(tag);
    if (attribute !== undefined && value !== null && isAtOrAbove(model, attribute, level))
      keys.push(keyOf(attribute, valueText(value, attribute.vr, characterSet, encoding)));
    else allKeysSupported = false;
  }
  const unique = UNIQUE_KEYS[level];
  if (!keys.some(({ attribute }) => attribute === unique)) keys.push(keyOf(unique, ''));
  const parents = above.map((each) => parentOf(UNIQUE_KEYS[each], keys));
  return {
    model,
    level,
    parents,
    keys: keys.filter((key) => !parents.includes(key)),
    characterSet,
    allKeysSupported,
  };
}

function elementsOf(identifier: Buffer, encoding: Encoding): Elements {
  try {
    return new Map(elementsIn(identifier, encoding).map(({ tag, value }) => [tag, value]));
  } catch (error) {
    if (!(error instanceof DataSetHeadError)) throw error;
    throw new QueryError(Status.CannotUnderstand, null, 'Identifier is not a data set');
  }
}

function asciiOf(elements: Elements, tag: number): string {
  const value = elements.get(tag);
  return value === undefined || value === null ? '' : decodeText(value, 'CS', '');
}

function levelsOf(model: InformationModel): readonly QueryLevel[] {
  return model === 'patient root' ? QUERY_LEVELS : QUERY_LEVELS.slice(1);
}

function levelOf(model: InformationModel, text: string): QueryLevel {
  const level = levelsOf(model).find((each) => each === text);
  if (level !== undefined) return level;
  const problem = text === '' ? 'Query/Retrieve Level missing' : `Query/Retrieve Level not in ${model}`;
  throw new QueryError(Status.IdentifierDoesNotMatchSopClass, QUERY_RETRIEVE_LEVEL, problem);
}

/** In the study root model attributes of patients are attributes of studies (PS3.4 C.3.2). */
function isAtOrAbove(model: InformationModel, attribute: QueryAttribute, level: QueryLevel): boolean {
  const own = model === 'study root' && attribute.level === 'PATIENT' ? 'STUDY' : attribute.level;
  return QUERY_LEVELS.indexOf(own) <= QUERY_LEVELS.indexOf(level);
}

function keyOf(attribute: QueryAttribute, text: string): QueryKey {
  try {
    const matches = matcherOf(attribute.vr, text);
    const isExact = matches !== null && Object.values(UNIQUE_KEYS).includes(attribute) && !hasWildCard(text);
    return { attribute, matches, values: isExact ? [...new Set(valuesOf(text, attribute.vr))] : null };
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    throw refused(attribute, error.message);
  }
}

/** PS3.4 C.4.1.2.1: a single value in the unique key of each level above. */
function parentOf(unique: QueryAttribute, keys: readonly QueryKey[]): QueryKey {
  const key = keys.find(({ attribute }) => attribute === unique);
  if (key === undefined || (key.matches === null && key.values === null))
    throw refused(unique, 'missing, the level is above the query');
  if (key.values?.length !== 1) throw refused(unique, 'not a single value, level is above');
  return key;
}

function refused({ keyword, tag }: QueryAttribute, problem: string): QueryError {
  return new QueryError(Status.IdentifierDoesNotMatchSopClass, tag, `${keyword}: ${problem}`);
}
