//! What was compared, drawn and written.

use std::path::{Path, PathBuf};

use imagen_protocol::{EngineError, RgbImage};

use super::IoEvent;
use super::files::engine_error;
use crate::atomic::{self, Existing};
use crate::error::AppError;
use crate::grid;
use crate::png;
use crate::window::compare::Sheet;

/// The paper's white, behind what is narrower than the rest.
const WHITE: u8 = 255;

/// Writes the picture and, under the same name, the table.
pub fn save(sheet: &Sheet, folder: &Path) -> IoEvent {
    let result = atomic::prepare_folder(folder).and_then(|()| write(sheet, folder));
    result.map_or_else(|e| IoEvent::Failed(engine_error(e)), IoEvent::SheetSaved)
}

fn write(sheet: &Sheet, folder: &Path) -> Result<PathBuf, AppError> {
    let drawn = draw(sheet).ok_or(EngineError::Internal { message: "nothing of a comparison could be drawn".into() })?;
    let picture = free_name(folder, &sheet.slug);
    let texts = [("imagen-compare", sheet.settings.as_str())];
    atomic::write(&picture, &png::encode(&drawn, &texts, false)?, Existing::Keep)?;
    atomic::write(&picture.with_extension("csv"), sheet.table.as_bytes(), Existing::Keep)?;
    Ok(picture)
}

/// One grid below the other.
fn draw(sheet: &Sheet) -> Option<RgbImage> {
    let drawn: Vec<RgbImage> = sheet.grids.iter().filter_map(grid::draw).collect();
    let width = drawn.iter().map(RgbImage::width).max()?;
    let height = drawn.iter().map(RgbImage::height).sum();
    let padded = |image: &RgbImage| {
        let [own, full] = [image.width(), width].map(|w| 3 * w as usize);
        let lines = image.pixels().chunks(own).map(<[u8]>::to_vec);
        lines
            .flat_map(|mut line| {
                line.resize(full, WHITE);
                line
            })
            .collect::<Vec<_>>()
    };
    RgbImage::new(width, height, drawn.iter().flat_map(padded).collect::<Vec<_>>())
}

/// A name that neither the picture nor the table has yet.
fn free_name(folder: &Path, slug: &str) -> PathBuf {
    let name = |i: u32| folder.join(if i == 1 { format!("{slug}-compare.png") } else { format!("{slug}-compare-{i}.png") });
    let free = |path: &PathBuf| [path.clone(), path.with_extension("csv")].iter().all(|p| p.symlink_metadata().is_err());
    (1..).map(name).find(free).unwrap_or_else(|| name(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;
    use crate::test_support::flat;

    fn sheet() -> Sheet {
        let grid = |columns: usize| Grid {
            titles: ["a red apple".into(), "seed 7".into()],
            columns: (0..columns).map(|i| format!("w = {i}")).collect(),
            rows: vec!["none".into()],
            cells: vec![flat(64, [10, 20, 30]); columns],
        };
        Sheet { slug: "a-red-apple-7".into(), grids: vec![grid(2), grid(3)], table: "s\n1\n".into(), settings: "{}".into() }
    }

    #[test]
    fn grids_lie_one_below_the_other() {
        let sheet = sheet();
        let [narrow, wide] = [0, 1].map(|i| grid::draw(&sheet.grids[i]).expect("drawn"));
        let both = draw(&sheet).expect("drawn");
        assert_eq!((both.width(), both.height()), (wide.width(), narrow.height() + wide.height()));
        let line = |image: &RgbImage, y: u32| {
            let w = 3 * image.width() as usize;
            image.pixels()[y as usize * w..][..3 * narrow.width() as usize].to_vec()
        };
        let middle = narrow.height() / 2;
        assert_eq!(line(&both, middle), line(&narrow, middle));
        assert_eq!(line(&both, narrow.height() + middle), line(&wide, middle));
    }

    #[test]
    fn a_second_save_keeps_the_first() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("new");
        for name in ["a-red-apple-7-compare", "a-red-apple-7-compare-2"] {
            let path = folder.join(format!("{name}.png"));
            assert_eq!(save(&sheet(), &folder), IoEvent::SheetSaved(path.clone()));
            assert!(path.is_file());
            assert_eq!(std::fs::read_to_string(path.with_extension("csv")).expect("written"), "s\n1\n");
        }
    }
}
