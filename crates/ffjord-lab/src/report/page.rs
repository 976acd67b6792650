//! What every page has: its head, its style, and a few shapes.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
/// A browser then refuses all that is not in the page, whatever a text may have brought in.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// A part of a page that its list of contents names.
pub(super) struct Section {
    /// Its anchor.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it says.
    pub body: Markup,
}

/// The whole page: what stands above the contents, and the sections.
pub(super) fn page(title: &str, head: &Markup, sections: &[Section]) -> String {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    (head)
                    nav { @for section in sections { a href={ "#" (section.id) } { (section.title) } } }
                }
                main {
                    @for section in sections {
                        section {
                            h2 id=(section.id) { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer { "Written by " code { "cargo xtask report" } "; the page holds all that it shows." }
            }
        }
    };
    whole.into_string()
}

/// A table that scrolls by itself where it is wider than the page.
pub(super) fn table(header: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll {
            table {
                @if !header.is_empty() {
                    thead { tr { @for name in header { th scope="col" { (name) } } } }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A table of names and values.
pub(super) fn pairs<'a>(rows: impl IntoIterator<Item = (&'a str, Markup)>) -> Markup {
    let rows: Vec<Vec<Markup>> = rows
        .into_iter()
        .map(|(name, value)| vec![html! { (name) }, value])
        .collect();
    table(&[], &rows)
}

/// Numbers to be seen first, with what they are.
pub(super) fn tiles(tiles: &[(String, String)]) -> Markup {
    html! {
        div.tiles {
            @for (name, value) in tiles {
                div.tile { span.soft { (name) } b { (value) } }
            }
        }
    }
}

/// A text as markup.
pub(super) fn text(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}

/// What is said in the place of something missing.
pub(super) fn missing(said: impl AsRef<str>) -> Markup {
    html! { p.soft { (said.as_ref()) } }
}
