"""
Writes src/core/slug/transliterations.ts from Debian's python3-text-unidecode:

    python3 scripts/write-transliterations.py && npx --no-install prettier --write src/core/slug/transliterations.ts
"""

import base64
import unicodedata
import zlib
from html.entities import name2codepoint

from text_unidecode import unidecode

HEADER = """/**
 * The tables behind `slugify`; written by scripts/write-transliterations.py.
 *
 * TRANSLITERATIONS is the table of text-unidecode 1.3 (Mikhail Korobov, after Text::Unidecode by Sean M. Burke;
 * https://github.com/kmike/text-unidecode, used under the Artistic License): the texts for U+0080 to U+FFFF, each ended
 * by a zero, empty where NFKD takes a character apart; deflated, in base64. No package on npm has the same table: the
 * nearest, unidecode-plus, differs in 7,815 characters.
 */
"""


def transliteration(point: int) -> str:
    if 0xD800 <= point <= 0xDFFF or unicodedata.normalize("NFKD", chr(point)) != chr(point):
        return ""
    return unidecode(chr(point))


table = "\0".join(transliteration(point) for point in range(0x80, 0x10000)).rstrip("\0")
compressor = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
deflated = base64.b64encode(compressor.compress(table.encode("ascii")) + compressor.flush()).decode()
entities = " ".join(f"{name}={point:x}" for name, point in sorted(name2codepoint.items(), key=lambda one: one[1]))
with open("src/core/slug/transliterations.ts", "w", encoding="ascii") as file:
    file.write(HEADER)
    file.write(f"export const TRANSLITERATIONS =\n  '{deflated}';\n\n")
    file.write("/** The named characters of HTML 4, with their code points. */\n")
    file.write(f"export const HTML_ENTITIES =\n  '{entities}';\n")
