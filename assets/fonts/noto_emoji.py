"""Makes NotoEmoji-Regular.ttf of the npm package @fontsource/noto-emoji: its slices for the web joined into one font.

    pip install fonttools; npm pack @fontsource/noto-emoji@5.3.2
    python noto_emoji.py fontsource-noto-emoji-5.3.2.tgz NotoEmoji-Regular.ttf

Layout tables are left out (egui reads none); variation selectors and the joiner become glyphs of no width, so that "❤️" is one sign
and no box beside it.
"""

import argparse
import hashlib
import io
import re
import tarfile
from pathlib import Path

from fontTools.merge import Merger
from fontTools.merge.options import Options
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph

SHA256 = "1fe49bb2cf7c2d78f93c0a69b6a431dcfd0d585b7831eba87fae6888ccf8d373"
SLICE = re.compile(r"package/files/noto-emoji-\d+-400-normal\.woff")
UNSEEN = (0x200D, 0xFE0E, 0xFE0F)  # joiner, text style, emoji style
DROPPED = ("GSUB", "GPOS", "GDEF", "STAT", "DSIG", "vhea", "vmtx")


def slices(package):
    """The fonts of the regular weight, as files in memory without what cannot be joined."""
    data = package.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"{package} is not the package whose SHA-256 is {SHA256}")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for name in sorted(n for n in tar.getnames() if SLICE.fullmatch(n)):
            font = TTFont(tar.extractfile(name))
            for table in DROPPED:
                if table in font:
                    del font[table]
            font.flavor = None
            out = io.BytesIO()
            font.save(out)
            out.seek(0)
            yield out


def hide(font, code):
    """A glyph without ink and width for a character that is not seen."""
    name = f"u{code:04X}"
    if name not in font["glyf"].glyphs:
        font.setGlyphOrder([*font.getGlyphOrder(), name])
        font["glyf"][name] = Glyph()
    font["hmtx"][name] = (0, 0)
    for table in font["cmap"].tables:
        if table.isUnicode() and table.format != 14:
            table.cmap[code] = name


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("package", type=Path)
    ap.add_argument("out", type=Path)
    a = ap.parse_args()
    font = Merger(Options(drop_tables=list(DROPPED))).merge(list(slices(a.package)))
    for code in UNSEEN:
        hide(font, code)
    font.save(a.out)
    print(f"{a.out}: {len(font.getBestCmap())} characters, {a.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
