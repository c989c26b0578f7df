//! A font of 5 x 8 dots for labels in pictures: ASCII, drawn for this program.

/// Width of a glyph in dots.
pub const WIDTH: u32 = 5;
/// Height of a glyph in dots, the row below the baseline included.
pub const HEIGHT: u32 = 8;

/// From the blank (0x20) to the tilde (0x7E): a byte a row from the top, in it a bit a dot, bit 4 leftmost.
#[rustfmt::skip]
const GLYPHS: [u64; 95] = [
    0x0000000000000000, 0x0404040404000400, 0x0A0A0A0000000000, 0x0A0A1F0A1F0A0A00, 0x040F140E051E0400, 0x1819020408131300,
    0x0C12140815120D00, 0x0404080000000000, 0x0204080808040200, 0x0804020202040800, 0x0004150E15040000, 0x0004041F04040000,
    0x0000000000040408, 0x0000001F00000000, 0x0000000000060600, 0x0001020408100000, 0x0E11131519110E00, 0x040C040404040E00,
    0x0E11010204081F00, 0x1F02040201110E00, 0x02060A121F020200, 0x1F101E0101110E00, 0x0608101E11110E00, 0x1F01020408080800,
    0x0E11110E11110E00, 0x0E11110F01020C00, 0x0006060006060000, 0x0006060006060408, 0x0204081008040200, 0x00001F001F000000,
    0x0804020102040800, 0x0E11010204000400, 0x0E11171517100E00, 0x0E11111F11111100, 0x1E11111E11111E00, 0x0E11101010110E00,
    0x1C12111111121C00, 0x1F10101E10101F00, 0x1F10101E10101000, 0x0E11101711110F00, 0x1111111F11111100, 0x0E04040404040E00,
    0x0702020202120C00, 0x1112141814121100, 0x1010101010101F00, 0x111B151511111100, 0x1111191513111100, 0x0E11111111110E00,
    0x1E11111E10101000, 0x0E11111115120D00, 0x1E11111E14121100, 0x0F10100E01011E00, 0x1F04040404040400, 0x1111111111110E00,
    0x11111111110A0400, 0x11111115151B1100, 0x11110A040A111100, 0x11110A0404040400, 0x1F01020408101F00, 0x0E08080808080E00,
    0x0010080402010000, 0x0E02020202020E00, 0x040A110000000000, 0x000000000000001F, 0x0804020000000000, 0x00000E010F110F00,
    0x10101E1111111E00, 0x00000E1110110E00, 0x01010F1111110F00, 0x00000E111F100E00, 0x0609081C08080800, 0x00000F11110F010E,
    0x1010161911111100, 0x04000C0404040E00, 0x020006020202120C, 0x1010121418141200, 0x0C04040404040E00, 0x00001A1515151500,
    0x0000161911111100, 0x00000E1111110E00, 0x00001E11111E1010, 0x00000F11110F0101, 0x0000161910101000, 0x00000F100E011E00,
    0x08081C0808090600, 0x0000111111130D00, 0x00001111110A0400, 0x0000111115150A00, 0x0000110A040A1100, 0x00001111110F010E,
    0x00001F0204081F00, 0x0204040804040200, 0x0404040404040400, 0x0804040204040800, 0x0000081502000000,
];

/// Whether a dot of a glyph is set; characters that the font lacks look like `?`.
pub fn dot(character: char, x: u32, y: u32) -> bool {
    let index = |c: char| u32::from(c).checked_sub(32).and_then(|i| GLYPHS.get(i as usize));
    let glyph = index(character).or_else(|| index('?')).copied().unwrap_or(0);
    x < WIDTH && y < HEIGHT && glyph >> (8 * (HEIGHT - 1 - y) + WIDTH - 1 - x) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn art(c: char) -> Vec<String> {
        let row = |y| (0..WIDTH).map(|x| if dot(c, x, y) { '#' } else { '.' }).collect();
        (0..HEIGHT).map(row).collect()
    }

    #[test]
    fn glyphs_stand_upright() {
        assert_eq!(art('L'), ["#....", "#....", "#....", "#....", "#....", "#....", "#####", "....."]);
        assert_eq!(art('p'), [".....", ".....", "####.", "#...#", "#...#", "####.", "#....", "#...."]);
    }

    #[test]
    fn every_printable_character_has_a_look_of_its_own() {
        let looks: std::collections::BTreeSet<Vec<String>> = (' '..='~').map(art).collect();
        assert_eq!(looks.len(), 95);
        assert_eq!(art('é'), art('?'));
    }
}
