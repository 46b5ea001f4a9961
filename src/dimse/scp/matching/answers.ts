import type { Identifier } from '../../message/identifier.js';
import { Status } from '../../message/status.js';
import type { StoredInstances } from '../stored-instance.js';
import { entitiesOf, type Entity } from './entities.js';
import { attributeOf } from './entity-attributes.js';
import type { Query } from './query.js';

/** Some milliseconds' worth, unless the key is a very odd one. */
const ENTITIES_AT_A_STRETCH = 500;

/**
 * The answers to a query (PS3.4 C.4.1.3.1.1), made one by one as they are asked for; only the keys that identify entities
 * are looked up, everything else is compared. Between two answers the store may change: what comes or goes then is in
 * the answers or is not.
 *
 * Each has the keys that were asked for and are supported, empty where nothing is stored; the unique keys of all levels
 * down to the query's; Query/Retrieve Level, Retrieve AE Title, Instance Availability; and Specific Character Set when it
 * needs one: the query's if that can hold it, ISO_IR 192 otherwise.
 *
 * An entity's own attributes are those of the instance that was stored first for it.
 *
 * Now and then it is null, which is no answer but a time to let others have their turn: a search may be long and find nothing.
 *
 * @param stored a query that names studies, or at STUDY level patients, looks them up: the rest of the store is not seen
 * @param aeTitle where the instances can be retrieved from
 */
export function* answersTo(
  query: Query,
  stored: StoredInstances,
  aeTitle: string,
): Generator<Identifier | null> {
  let compared = 0;
  for (const entity of entitiesOf(query, stored)) {
    const values = matchedValues(query, entity);
    if (values !== null) yield answerOf(query, values, aeTitle);
    compared += 1;
    if (compared % ENTITIES_AT_A_STRETCH === 0) yield null;
  }
}

/** 0xFF00, or 0xFF01 when the query has a key that is not supported (PS3.4 C.4.1.1.4). */
export function pendingStatus(query: Query): number {
  return query.allKeysSupported ? Status.Pending : Status.PendingWithWarning;
}

/** The values of all keys by keyword, or null when one of them does not match. */
function matchedValues(query: Query, entity: Entity): Record<string, string> | null {
  for (const { attribute, values } of query.parents)
    if (!(values?.includes(attributeOf(entity, attribute.keyword)) ?? false)) return null;
  for (const { attribute, matches } of query.keys)
    if (matches !== null && !matches(attributeOf(entity, attribute.keyword))) return null;
  return Object.fromEntries(
    [...query.parents, ...query.keys].map(({ attribute: { keyword } }) => [
      keyword,
      attributeOf(entity, keyword),
    ]),
  );
}

function answerOf(query: Query, values: Record<string, string>, aeTitle: string): Identifier {
  const characterSet = characterSetFor(Object.values(values), query.characterSet);
  return {
    ...(characterSet === '' ? {} : { SpecificCharacterSet: characterSet }),
    ...values,
    QueryRetrieveLevel: query.level,
    RetrieveAETitle: aeTitle,
    InstanceAvailability: 'ONLINE',
  };
}

/** Only where ASCII does not do (PS3.4 C.4.1.1.3.2); Latin-1 for those who asked in it, else what holds everything. */
function characterSetFor(values: readonly string[], asked: string): string {
  if (values.every((value) => /^[\0-\x7f]*$/.test(value))) return '';
  const fitsLatin1 = values.every((value) => /^[\0-\xff]*$/.test(value));
  return fitsLatin1 && asked === 'ISO_IR 100' ? asked : 'ISO_IR 192';
}
