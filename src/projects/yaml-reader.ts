import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import type { FileFault } from './errors.js';

/** A value of a YAML file, with the place where it stands, so that what is wrong with it can be said. */
export class YamlValue {
  readonly key: string;
  readonly #file: YamlFile;
  readonly #node: Node | null;
  /** Where it would stand when there is none. */
  readonly #line: number | null;

  constructor(file: YamlFile, node: Node | null, key: string, line: number | null) {
    this.#file = file;
    this.#node = node;
    this.key = key;
    this.#line = line;
  }

  /** Nothing there, or `null`. */
  get isAbsent(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  fault(problem: string): void {
    this.#file.fault(this.#node === null ? this.#line : this.#file.lineOf(this.#node), this.key, problem);
  }

  /** The values of a mapping by key. Keys that are none of `known` are faults. */
  mapping(known: readonly string[]): (name: string) => YamlValue {
    if (!isMap(this.#node)) {
      if (!this.isAbsent) this.fault('is no mapping');
      return (name) => this.#inner(null, name, this.#line);
    }
    const map = this.#node;
    for (const { key } of map.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (!known.includes(name))
        this.#file.fault(
          this.#file.lineOf(key as Node),
          this.#path(name),
          `unknown: expected one of ${known.join(', ')}`,
        );
    }
    const line = this.#file.lineOf(map);
    return (name) => this.#inner((map.get(name, true) as Node | undefined) ?? null, name, line);
  }

  /** The values of a list; none where there is nothing. */
  list(): YamlValue[] {
    if (this.isAbsent) return [];
    if (!isSeq(this.#node)) {
      this.fault('is no list');
      return [];
    }
    return this.#node.items.map(
      (item, index) => new YamlValue(this.#file, item as Node, `${this.key}[${index}]`, this.#line),
    );
  }

  /** A text that is not empty; null, with a fault, for anything else. */
  text(): string | null {
    const value = this.#scalar();
    if (typeof value === 'string' && value.trim() !== '') return value;
    this.fault(this.isAbsent ? 'is missing' : 'is no text');
    return null;
  }

  /** A whole number; null, with a fault, for anything else. */
  wholeNumber(from: number, to: number): number | null {
    const value = this.#scalar();
    if (typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to) return value;
    this.fault(this.isAbsent ? 'is missing' : `is no whole number from ${from} to ${to}`);
    return null;
  }

  /** One of these words; null, with a fault, for anything else. */
  oneOf<Word extends string>(words: readonly Word[]): Word | null {
    const value = this.#scalar();
    const word = words.find((one) => one === value);
    if (word !== undefined) return word;
    this.fault(this.isAbsent ? 'is missing' : `expected one of ${words.join(', ')}`);
    return null;
  }

  #scalar(): unknown {
    return isScalar(this.#node) ? this.#node.value : undefined;
  }

  #inner(node: Node | null, name: string, line: number | null): YamlValue {
    return new YamlValue(
      this.#file,
      isAlias(node) ? this.#file.resolved(node) : node,
      this.#path(name),
      line,
    );
  }

  #path(name: string): string {
    return this.key === '' ? name : `${this.key}.${name}`;
  }
}

/** A file in YAML 1.1, as PyYAML reads it. */
export class YamlFile {
  readonly #name: string;
  readonly #faults: FileFault[];
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;

  /**
   * @param name of the file, for what is said of it
   * @param faults where what is wrong goes to; the YAML's own faults at once
   */
  constructor(name: string, text: string, faults: FileFault[]) {
    this.#name = name;
    this.#faults = faults;
    this.#document = parseDocument(text, { version: '1.1', lineCounter: this.#lines, prettyErrors: false });
    for (const { pos, message } of this.#document.errors)
      this.fault(this.#lines.linePos(pos[0]).line, '', message);
  }

  get root(): YamlValue {
    return new YamlValue(this, this.#document.contents, '', 1);
  }

  fault(line: number | null, key: string, problem: string): void {
    this.#faults.push({ file: this.#name, line, key, problem });
  }

  lineOf(node: Node): number | null {
    return node.range == null ? null : this.#lines.linePos(node.range[0]).line;
  }

  resolved(alias: Parameters<typeof isAlias>[0]): Node | null {
    return isAlias(alias) ? (alias.resolve(this.#document) ?? null) : null;
  }
}
