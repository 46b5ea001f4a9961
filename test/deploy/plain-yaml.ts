/** What plain YAML can hold. All scalars are texts. */
export type Yaml = string | Yaml[] | { [key: string]: Yaml };

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

/**
 * Reads the plain part of YAML that our files keep to: mappings and sequences in blocks, scalars in one line, `[a, b]` and
 * `{}`. Everything else (anchors, tags, blocks of text, tabs, a key twice) is an error, and with it a file that is no YAML.
 *
 * @throws Error that names the line
 */
export function parsePlainYaml(text: string): Yaml {
  const lines = text.split('\n').flatMap((raw, index): Line[] => {
    const line = raw.replace(/(^|\s)#.*$/, '').trimEnd();
    if (line.trim() === '') return [];
    const indent = /^ */.exec(line)![0].length;
    return [{ number: index + 1, indent, text: line.slice(indent) }];
  });
  const reader = new Reader(lines);
  const value = reader.block(0);
  reader.expectEnd();
  return value;
}

class Reader {
  readonly #lines: Line[];

  constructor(lines: readonly Line[]) {
    this.#lines = [...lines];
  }

  block(indent: number): Yaml {
    const [first] = this.#lines;
    if (first?.indent !== indent) throw wrong(first, 'a block of another indentation');
    return first.text.startsWith('- ') ? this.#sequence(indent) : this.#mapping(indent);
  }

  expectEnd(): void {
    if (this.#lines.length > 0) throw wrong(this.#lines[0], 'text behind the end of its block');
  }

  #sequence(indent: number): Yaml[] {
    const items: Yaml[] = [];
    for (let [line] = this.#lines; line?.indent === indent; [line] = this.#lines) {
      if (!line.text.startsWith('- ')) throw wrong(line, 'no item of its sequence');
      const item = { number: line.number, indent: indent + 2, text: line.text.slice(2) };
      this.#lines.shift();
      if (KEY.test(item.text)) {
        this.#lines.unshift(item);
        items.push(this.#mapping(item.indent));
      } else items.push(scalar(item, item.text));
    }
    return items;
  }

  #mapping(indent: number): { [key: string]: Yaml } {
    const entries = new Map<string, Yaml>();
    for (let [line] = this.#lines; line?.indent === indent; [line] = this.#lines) {
      const [, key, rest = ''] = KEY.exec(line.text) ?? [];
      if (key === undefined || line.text.startsWith('- ')) throw wrong(line, 'no entry of its mapping');
      if (entries.has(key)) throw wrong(line, `${key} is there twice`);
      this.#lines.shift();
      entries.set(key, rest === '' ? this.#below(line) : scalar(line, rest));
    }
    return Object.fromEntries(entries);
  }

  /** What belongs to a key; a sequence may stand as far left as it. */
  #below(key: Line): Yaml {
    const [next] = this.#lines;
    if (next === undefined || next.indent <= key.indent) throw wrong(key, 'a key without a value');
    return this.block(next.indent);
  }
}

/** `key:` or `key: value`; a colon within a word, as in `127.0.0.1:7007`, makes no key. */
const KEY = /^([A-Za-z0-9_.-]+):(?: +(.*))?$/;

function scalar(line: Line, text: string): Yaml {
  if (text === '{}') return {};
  if (/^\[.*\]$/.test(text))
    return text
      .slice(1, -1)
      .split(', ')
      .map((item) => scalar(line, item));
  const quoted = /^'((?:[^']|'')*)'$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replaceAll("''", "'");
  if (/^"(?:[^"\\])*"$/.test(text)) return text.slice(1, -1);
  // `${…}` is Compose's; what else begins so, or holds ": " or " #", YAML would take for something else.
  if (/^[&*!|>%@`"'{}[\],?]|^- |: |:$|\t/.test(text.replaceAll(/\$\{[^}]*\}/g, '')))
    throw wrong(line, 'a value that is not plain');
  return text;
}

function wrong(line: Line | undefined, problem: string): Error {
  return new Error(`line ${line?.number ?? 'after the last'}: ${problem}`);
}
