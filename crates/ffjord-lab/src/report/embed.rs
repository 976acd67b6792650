//! Pictures inside a page.

use super::page::missing;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ffjord_plot::Figure;
use maud::{Markup, html};
use std::path::{Path, PathBuf};

/// Larger files would make a page that telephones do not open.
const MOST_BYTES: u64 = 8 << 20;

/// A picture that was drawn for the page.
pub(super) fn drawn(figure: &Figure, caption: &str) -> Markup {
    match figure.to_png() {
        // Two pixels for each unit of the layout.
        Ok(png) => of_bytes(
            "image/png",
            &png,
            Some((figure.width() / 2, figure.height() / 2)),
            caption,
        ),
        Err(error) => missing(format!("{caption}: this picture cannot be drawn: {error}")),
    }
}

/// A picture in a file, PNG or GIF.
pub(super) fn file(path: &Path, caption: &str) -> Markup {
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gif") => "image/gif",
        _ => "image/png",
    };
    if let Ok(metadata) = path.metadata()
        && metadata.len() > MOST_BYTES
    {
        return missing(format!("{}: too large for a page", path.display()));
    }
    match std::fs::read(path) {
        Ok(bytes) => of_bytes(kind, &bytes, size_of_png(&bytes), caption),
        Err(error) => missing(format!("{}: this picture cannot be read: {error}", path.display())),
    }
}

fn of_bytes(kind: &str, bytes: &[u8], size: Option<(u32, u32)>, caption: &str) -> Markup {
    let (width, height) = size.unzip();
    // Several plots in a row need the width of the page.
    let wide = size.is_some_and(|(width, height)| width > 700 && 5 * width > 8 * height);
    html! {
        figure.wide[wide] {
            img src={ "data:" (kind) ";base64," (STANDARD.encode(bytes)) } alt=(caption) width=[width] height=[height]
                loading="lazy";
            figcaption { (caption) }
        }
    }
}

/// Width and height that a PNG file begins with, at two pixels a unit where it is large.
fn size_of_png(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |start: usize| Some(u32::from_be_bytes(bytes.get(start..start + 4)?.try_into().ok()?));
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return None;
    }
    let (width, height) = (number(16)?, number(20)?);
    Some(if width > 1000 {
        (width / 2, height / 2)
    } else {
        (width, height)
    })
}

/// The pictures of a folder in the order of their names; none where there is no folder.
pub(super) fn pictures(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_picture = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "png" || extension == "gif")
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_picture).collect();
    paths.sort();
    paths
}

/// A caption from a file's name.
pub(super) fn caption(path: &Path) -> String {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().replace(['-', '_'], " "));
    stem.unwrap_or_default()
}
