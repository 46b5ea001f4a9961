/**
 * A name as Python's `slugify` makes it of the letters of Europe's languages: lower case, marks taken off, whatever is no
 * letter or digit a hyphen. PIXL's tables and folders know a project by it.
 */
export function slugify(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/['’]/g, '')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '');
}
