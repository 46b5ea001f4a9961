/**
 * The names in (0008,0005) as PS3.3 C.12.1.1.2 writes them. Systems write blanks or hyphens for underscores, leave either
 * out, and take lower case: `ISO IR 192`, `ISO-IR 192`, `iso_ir_192`, `ISO2022 IR 87`.
 */
export function characterSetsOf(specificCharacterSet: string): string[] {
  return specificCharacterSet.split('\\').map((name) => standardName(name.replaceAll('\0', ' ').trim()));
}

function standardName(name: string): string {
  const [, extended, number] = /^ISO[ _-]*(2022[ _-]*)?IR[ _-]*(\d+)$/i.exec(name) ?? [];
  if (number !== undefined) return `${extended === undefined ? 'ISO_IR' : 'ISO 2022 IR'} ${number}`;
  return /^utf[ _-]?8$/i.test(name) ? 'ISO_IR 192' : name;
}
