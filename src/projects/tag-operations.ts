import type { ManufacturerOverride, Operation, TagOperation } from '../deidentify/index.js';
import type { YamlValue } from './yaml-reader.js';

/** PIXL's operations, and ours that need no value. */
const OPERATIONS = [
  'keep',
  'delete',
  'replace',
  'replace_UID',
  'secure-hash',
  'empty',
  'date-shift',
  'hash-uid',
  'value',
] as const;

/** The longest text of a VR that has a limit below a data element's own: ST (PS3.5 6.2). */
const MAX_VALUE_LENGTH = 1_024;

const KEYS = ['name', 'group', 'element', 'op', 'creator', 'value'];

/** The operations of a file of `tag_operation_files.base`. */
export function tagOperations(root: YamlValue): TagOperation[] {
  if (root.isAbsent) root.fault('the file is empty');
  return root.list().flatMap((item) => operationOf(item) ?? []);
}

/** What a file of `tag_operation_files.manufacturer_overrides` says. */
export function manufacturerOverrides(root: YamlValue): ManufacturerOverride[] {
  if (root.isAbsent) root.fault('the file is empty');
  return root.list().flatMap((item) => {
    const of = item.mapping(['manufacturer', 'tags']);
    const manufacturer = expression(of('manufacturer'));
    const tags = of('tags')
      .list()
      .flatMap((tag) => operationOf(tag) ?? []);
    return manufacturer === null ? [] : [{ manufacturer, tags }];
  });
}

/** A regular expression that takes small and capital letters alike; null, with a fault, for none. */
export function expression(value: YamlValue): RegExp | null {
  const text = value.text();
  if (text === null) return null;
  try {
    return new RegExp(text, 'i');
  } catch {
    value.fault('is no regular expression');
    return null;
  }
}

function operationOf(item: YamlValue): TagOperation | null {
  const of = item.mapping(KEYS);
  const group = of('group').wholeNumber(0, 0xffff);
  const element = of('element').wholeNumber(0, 0xffff);
  const op = of('op').oneOf(OPERATIONS);
  const creator = of('creator').isAbsent ? null : of('creator').text();
  if (creator !== null && group !== null && group % 2 === 0)
    of('creator').fault('only private elements have one');
  if (creator !== null && element !== null && element > 0xff)
    of('element').fault('of a private element with a creator the last two digits: 0x00 to 0xff');
  const operation = op === null ? null : withValue(op, of('value'));
  if (group === null || element === null || operation === null) return null;
  return { tag: group * 0x10000 + element, creator, operation };
}

function withValue(op: (typeof OPERATIONS)[number], value: YamlValue): Operation | null {
  if (op !== 'value') {
    if (!value.isAbsent) value.fault('goes with `op: value` alone');
    return { op };
  }
  const text = value.text();
  if (text !== null && text.length > MAX_VALUE_LENGTH)
    value.fault(`is longer than ${MAX_VALUE_LENGTH} characters`);
  return text === null ? null : { op, value: text };
}
