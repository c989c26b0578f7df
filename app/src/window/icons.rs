//! Phosphor's icons (assets/fonts/Phosphor.ttf), by the code points of its own style sheet. Inter has signs of its own below U+E140: where
//! Phosphor's lie there, Inter's arrows and triangles are taken.

pub const DICE_FIVE: &str = "\u{e1ee}";
pub const LOCK: &str = "\u{e2fa}";
pub const LOCK_OPEN: &str = "\u{e306}";
pub const STOP: &str = "\u{e46c}";
pub const X: &str = "\u{e4f6}";
pub const PLUS: &str = "\u{e3d4}";
pub const MINUS: &str = "\u{e32a}";
pub const COPY: &str = "\u{e1ca}";
pub const FLOPPY_DISK: &str = "\u{e248}";
pub const LINK: &str = "\u{e2e2}";
pub const FOLDER_OPEN: &str = "\u{e256}";
pub const TRASH: &str = "\u{e4a6}";
pub const IMAGE: &str = "\u{e2ca}";
pub const IMAGES: &str = "\u{e836}";
pub const CPU: &str = "\u{e610}";
pub const WARNING: &str = "\u{e4e0}";
pub const INFO: &str = "\u{e2ce}";
pub const CHECK: &str = "\u{e182}";
pub const X_CIRCLE: &str = "\u{e4f8}";
pub const MAGNIFYING_GLASS: &str = "\u{e30c}";
pub const FRAME_CORNERS: &str = "\u{e626}";
pub const ARROWS_OUT: &str = "\u{e0a2}";
pub const SUN: &str = "\u{e472}";
pub const MOON: &str = "\u{e330}";
pub const CIRCLE_HALF: &str = "\u{e18c}";
pub const DOWNLOAD_SIMPLE: &str = "\u{e20c}";
pub const SLIDERS_HORIZONTAL: &str = "\u{e434}";
pub const FAST_FORWARD: &str = "\u{e6a6}";
pub const TEXT_T: &str = "\u{e48a}";
pub const HOURGLASS: &str = "\u{e2b2}";
pub const SWAP: &str = "\u{e83c}";
pub const ERASER: &str = "\u{e21e}";
pub const IMAGE_BROKEN: &str = "\u{e7a8}";

pub const CARET_DOWN: &str = "\u{25bc}";
pub const CARET_UP: &str = "\u{25b2}";
pub const CARET_RIGHT: &str = "\u{25b6}";
pub const ARROW_CLOCKWISE: &str = "\u{21bb}";
pub const ARROW_COUNTER_CLOCKWISE: &str = "\u{21ba}";
pub const ARROW_DOWN: &str = "\u{2193}";
pub const ARROW_UP: &str = "\u{2191}";

#[cfg(test)]
mod tests {
    /// Inter is asked before Phosphor, and has other signs there.
    #[test]
    fn no_icon_is_hidden_by_the_text_font() {
        let code_points = include_str!("icons.rs").lines().filter_map(|line| {
            let (_, rest) = line.strip_prefix("pub const ")?.split_once("\"\\u{")?;
            u32::from_str_radix(rest.split_once('}')?.0, 16).ok()
        });
        let hidden: Vec<u32> = code_points.filter(|c| (0xE000..0xE07E).contains(c) || (0xE0A6..0xE180).contains(c)).collect();
        assert!(hidden.is_empty(), "{hidden:x?}");
    }
}
