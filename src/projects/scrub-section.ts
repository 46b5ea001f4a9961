import type { Rectangle, ScrubRule } from '../deidentify/index.js';
import { expression } from './tag-operations.js';
import type { YamlValue } from './yaml-reader.js';

const KEYS = ['manufacturer', 'model', 'rows', 'columns', 'rectangles'];

/** Reads `deidentify.scrub`: rectangles by manufacturer, model and size; what is wrong becomes a fault. */
export function scrubRule(item: YamlValue): ScrubRule[] {
  const of = item.mapping(KEYS);
  const manufacturer = expression(of('manufacturer'));
  const model = of('model').isAbsent ? null : expression(of('model'));
  const rows = of('rows').wholeNumber(1, 0xffff);
  const columns = of('columns').wholeNumber(1, 0xffff);
  const rectangles = of('rectangles').list().flatMap(rectangle);
  if (of('rectangles').list().length === 0) of('rectangles').fault('expected at least one rectangle');
  if (manufacturer === null || rows === null || columns === null) return [];
  return [{ manufacturer, model, rows, columns, rectangles }];
}

function rectangle(item: YamlValue): Rectangle[] {
  const of = item.mapping(['left', 'top', 'width', 'height']);
  const left = of('left').wholeNumber(0, 0xffff);
  const top = of('top').wholeNumber(0, 0xffff);
  const width = of('width').wholeNumber(1, 0xffff);
  const height = of('height').wholeNumber(1, 0xffff);
  if (left === null || top === null || width === null || height === null) return [];
  return [{ left, top, right: left + width, bottom: top + height }];
}
