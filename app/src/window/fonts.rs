//! Inter for text, Droid Sans Fallback for Chinese, Japanese and Korean, Phosphor for icons. What else a prompt may hold comes from the
//! system's fonts (eframe's `system_fonts`).

use std::sync::Arc;

use egui::{Context, FontData, FontDefinitions, FontFamily};

/// Inter SemiBold: heads.
pub const BOLD: &str = "bold";

const FONTS: [(&str, &[u8]); 4] = [
    ("inter", include_bytes!("../../../assets/fonts/Inter-Regular.otf")),
    ("inter-semibold", include_bytes!("../../../assets/fonts/Inter-SemiBold.otf")),
    ("droid-fallback", include_bytes!("../../../assets/fonts/DroidSansFallback.ttf")),
    ("phosphor", include_bytes!("../../../assets/fonts/Phosphor.ttf")),
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
    let family = |first: &str| [first, "phosphor", "droid-fallback"].map(String::from).to_vec();
    fonts.families.insert(FontFamily::Proportional, family("inter"));
    fonts.families.insert(FontFamily::Monospace, family("inter"));
    fonts.families.insert(bold(), family("inter-semibold"));
    fonts
}
