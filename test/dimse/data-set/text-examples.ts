import { hex } from './elements.js';

/** What the standard prints, and what others write. */
export const TEXT_EXAMPLES: readonly (readonly [
  what: string,
  set: string,
  bytes: Buffer,
  text: string,
  vr?: string,
])[] = [
  ['ASCII', '', Buffer.from('Doe^John'), 'Doe^John'],
  ['Latin-1', 'ISO_IR 100', Buffer.from('Buc^Jérôme', 'latin1'), 'Buc^Jérôme'],
  ['Latin-2', 'ISO_IR 101', hex('57 61 b3 ea 73 61'), 'Wałęsa'],
  ['Cyrillic', 'ISO_IR 144', hex('bb ee da 63 65 dc d1 79 70 d3'), 'Люкceмбypг'],
  ['Greek', 'ISO_IR 126', hex('c4 e9 ef ed f5 f3 e9 ef f2'), 'Διονυσιος'],
  ['Arabic', 'ISO_IR 127', hex('e2 c8 c7 e6 ea 5e e4 e6 d2 c7 d1'), 'قباني^لنزار'],
  ['Hebrew', 'ISO_IR 138', hex('f9 f8 e5 ef 5e e3 e1 e5 f8 e4'), 'שרון^דבורה'],
  ['Thai', 'ISO_IR 166', hex('ca c1 aa d2 c2'), 'สมชาย'],
  ['Japanese single bytes', 'ISO_IR 13', hex('d4 cf c0 de 5e c0 db b3'), 'ﾔﾏﾀﾞ^ﾀﾛｳ'],
  ['UTF-8', 'ISO_IR 192', Buffer.from('Wang^XiaoDong=王^小東', 'utf8'), 'Wang^XiaoDong=王^小東'],
  ['GB18030', 'GB18030', hex('57 61 6e 67 3d cd f5 5e d0 a1 b6 ab'), 'Wang=王^小东'],
  [
    'Japanese (PS3.5 H.3.1)',
    '\\ISO 2022 IR 87',
    hex(
      '59 61 6d 61 64 61 5e 54 61 72 6f 75 3d 1b 24 42 3b 33 45 44 1b 28 42 5e 1b 24 42 42 40 4f 3a 1b 28 42',
      '3d 1b 24 42 24 64 24 5e 24 40 1b 28 42 5e 1b 24 42 24 3f 24 6d 24 26 1b 28 42',
    ),
    'Yamada^Tarou=山田^太郎=やまだ^たろう',
  ],
  [
    'Japanese with single bytes (PS3.5 H.3.2)',
    'ISO 2022 IR 13\\ISO 2022 IR 87',
    hex(
      'd4 cf c0 de 5e c0 db b3 3d 1b 24 42 3b 33 45 44 1b 28 4a 5e 1b 24 42 42 40 4f 3a 1b 28 4a',
      '3d 1b 24 42 24 64 24 5e 24 40 1b 28 4a 5e 1b 24 42 24 3f 24 6d 24 26 1b 28 4a',
    ),
    'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう',
  ],
  [
    'Korean (PS3.5 I.2)',
    '\\ISO 2022 IR 149',
    hex(
      '48 6f 6e 67 5e 47 69 6c 64 6f 6e 67 3d 1b 24 29 43 fb f3 5e 1b 24 29 43 d1 ce d4 d7',
      '3d 1b 24 29 43 c8 ab 5e 1b 24 29 43 b1 e6 b5 bf',
    ),
    'Hong^Gildong=洪^吉洞=홍^길동',
  ],
  [
    'Korean that is not escaped anew behind a delimiter',
    '\\ISO 2022 IR 149',
    hex('1b 24 29 43 fb f3 5e d1 ce d4 d7'),
    '洪^吉洞',
  ],
  [
    'Japanese that a line end brings back to ASCII',
    '\\ISO 2022 IR 87',
    hex('1b 24 42 3b 33 0d 0a 41 42'),
    '山\r\nAB',
    'LT',
  ],
  ['Chinese (GB 2312)', '\\ISO 2022 IR 58', hex('1b 24 29 41 cd f5'), '王'],
  ['Latin-1 with Greek', 'ISO 2022 IR 100\\ISO 2022 IR 126', hex('e9 20 1b 2d 46 c4'), 'é Δ', 'LO'],
  ['UTF-8 that nothing says is', '', Buffer.from('Müller', 'utf8'), 'Müller'],
  ['Latin-1 that nothing says is', '', Buffer.from('Müller', 'latin1'), 'Müller'],
  ...['ISO IR 192', 'ISO-IR 192', 'ISO_IR_192', 'iso_ir 192', 'UTF-8'].map(
    (set) => [`UTF-8 by the name ${set}`, set, Buffer.from('Größe 心', 'utf8'), 'Größe 心'] as const,
  ),
  ['Latin-1 by the name ISO IR 100', 'ISO IR 100', Buffer.from('Müller', 'latin1'), 'Müller'],
  ['an unknown set', 'ISO_IR 999', Buffer.from('Müller', 'latin1'), 'Müller'],
];
