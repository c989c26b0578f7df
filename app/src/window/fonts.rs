//! Inter for text, Droid Sans Fallback for Chinese, Japanese and Korean, Phosphor for icons, Noto Emoji for emoji. What else
//! a prompt may hold comes from the system's fonts (eframe's `system_fonts`).

use std::sync::Arc;

use egui::{Context, FontData, FontDefinitions, FontFamily};

/// Inter SemiBold: heads.
pub const BOLD: &str = "bold";

const FONTS: [(&str, &[u8]); 5] = [
    ("inter", include_bytes!("../../../assets/fonts/Inter-Regular.otf")),
    ("inter-semibold", include_bytes!("../../../assets/fonts/Inter-SemiBold.otf")),
    ("droid-fallback", include_bytes!("../../../assets/fonts/DroidSansFallback.ttf")),
    ("phosphor", include_bytes!("../../../assets/fonts/Phosphor.ttf")),
    ("noto-emoji", include_bytes!("../../../assets/fonts/NotoEmoji-Regular.ttf")),
];

pub fn install(ctx: &Context) {
    ctx.set_fonts(definitions());
}

/// The family for heads.
pub fn bold() -> FontFamily {
    FontFamily::Name(BOLD.into())
}

fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::empty();
    for (name, bytes) in FONTS {
        fonts.font_data.insert(name.into(), Arc::new(FontData::from_static(bytes)));
    }
    // Noto Emoji last: it has digits and signs of its own.
    let family = |first: &str| [first, "phosphor", "droid-fallback", "noto-emoji"].map(String::from).to_vec();
    fonts.families.insert(FontFamily::Proportional, family("inter"));
    fonts.families.insert(FontFamily::Monospace, family("inter"));
    fonts.families.insert(bold(), family("inter-semibold"));
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::icons;
    use egui::{FontId, RawInput};

    /// Only what is bundled: no window, so no fonts of the system.
    fn lacks(family: &FontFamily, text: &str) -> Vec<char> {
        let ctx = Context::default();
        install(&ctx);
        ctx.run_ui(RawInput::default(), |_| {}).textures_delta.clear();
        let font = FontId::new(13.0, family.clone());
        ctx.fonts_mut(|fonts| text.chars().filter(|&c| !c.is_whitespace() && !fonts.has_glyph(&font, c)).collect())
    }

    #[test]
    fn prompts_of_many_scripts_show_by_the_bundled_fonts_alone() {
        for (script, text) in [
            ("Japanese", "木のテーブルの上の赤いリンゴ、ガラスのコップ「写真」ー々"),
            ("Korean", "나무 탁자 위의 빨간 사과와 유리컵 뷁 햇빛"),
            ("Chinese, simplified", "木桌上的红苹果，玻璃杯，阳光，照片。龙凤飞鸟"),
            ("Chinese, traditional", "木桌上的紅蘋果，玻璃杯，陽光，照片。龍鳳飛鳥"),
            ("Cyrillic", "красное яблоко на деревянном столе, ёж, їжак, ґанок, љубав, џеп"),
            ("Greek", "ένα κόκκινο μήλο πάνω σε ξύλινο τραπέζι, ΐ ΰ ώ Ω"),
            ("Vietnamese", "một quả táo đỏ trên bàn gỗ, ếch, ữ, ặ"),
            ("Emoji, old and new", "🍎🐕🌻🚗🎈🏠🍐🐱🌍🎨📷😀😍🎄🚀🐘🍰☕❤✨⛄🪑🦊🪁🦄🤖🫠🫨"),
            ("Latin with signs", "Äpfel, crème brûlée, naïve, łódź, smörgåsbord, ğ, ß, ø, œ, €"),
        ] {
            for family in [FontFamily::Proportional, FontFamily::Monospace, bold()] {
                assert_eq!(lacks(&family, text), Vec::<char>::new(), "{script} in {family:?}");
            }
        }
        assert_eq!(lacks(&FontFamily::Proportional, "a\u{10FFFE}"), ['\u{10FFFE}'], "the test can tell");
    }

    fn widths(fonts: FontDefinitions, text: &str) -> Vec<f32> {
        let ctx = Context::default();
        ctx.set_fonts(fonts);
        ctx.run_ui(RawInput::default(), |_| {}).textures_delta.clear();
        let font = FontId::proportional(13.0);
        ctx.fonts_mut(|fonts| text.chars().map(|c| fonts.glyph_width(&font, c)).collect())
    }

    #[test]
    fn what_chooses_an_emojis_style_or_joins_two_takes_no_room() {
        let found = widths(definitions(), "❤\u{FE0F}\u{FE0E}\u{200D}");
        assert!(found[0] > 8.0 && found[1..] == [0.0; 3], "{found:?}");
    }

    #[test]
    fn emoji_take_no_sign_or_icon_from_the_fonts_before_them() {
        let without = {
            let mut fonts = definitions();
            fonts.families.values_mut().for_each(|family| family.retain(|name| name != "noto-emoji"));
            fonts
        };
        let signs = format!("0123456789#©®{}{}", icons::CHECK, icons::WARNING);
        assert_eq!(widths(definitions(), &signs), widths(without, &signs));
    }
}
