export { answersTo, pendingStatus } from './answers.js';
export { encodeAnswer } from './encode-answer.js';
export { parseQuery, type InformationModel, type Query } from './query.js';
export {
  COMPUTED_ATTRIBUTES,
  QUERY_ATTRIBUTES,
  QUERY_LEVELS,
  type QueryAttribute,
  type QueryLevel,
} from './query-attributes.js';
export { AttributeReader, queryAttributesOf, type QueryAttributeValues } from './read-attributes.js';
