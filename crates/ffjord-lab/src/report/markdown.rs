//! Markdown that studies have written, as a part of a page.

use maud::{Markup, PreEscaped};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// The text as markup: headings two levels deeper, tables that scroll, raw HTML as the text that it is, and of links those
/// to other machines alone, since a page stands by itself.
pub(super) fn markdown(text: &str) -> Markup {
    let mut links = Vec::new();
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(Tag::Heading {
            level,
            id,
            classes,
            attrs,
        }) => Some(Event::Start(Tag::Heading {
            level: deeper(level),
            id,
            classes,
            attrs,
        })),
        Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(deeper(level)))),
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            let outside = dest_url.starts_with("https://") || dest_url.starts_with("http://");
            links.push(outside);
            outside.then_some(event)
        }
        Event::End(TagEnd::Link) => links.pop().unwrap_or_default().then_some(event),
        // The pictures stand in the page already; what is left is their description.
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        other => Some(other),
    });
    let events = events.flat_map(|event| match event {
        Event::Start(Tag::Table(_)) => vec![Event::Html("<div class=\"scroll\">".into()), event],
        Event::End(TagEnd::Table) => vec![event, Event::Html("</div>".into())],
        other => vec![other],
    });
    let mut output = String::new();
    html::push_html(&mut output, events);
    PreEscaped(output)
}

fn deeper(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_part_of_the_page_itself() {
        let text = "# One\n\n<script>alert(1)</script> a <b>c</b>\n\n[in](../x.md) [js](javascript:alert) \
                    [out](https://arxiv.org)\n\n![seen](x.png)\n\n| a | b |\n|---|---|\n| 1 < 2 | `<i>` |\n";
        let page = markdown(text).into_string();
        for part in ["<script", "<b>", "<i>", "x.md", "javascript:", "<img"] {
            assert!(!page.contains(part), "{part} in {page}");
        }
        for part in [
            "<h3>One</h3>",
            "&lt;script&gt;",
            "<p>in js <a href=\"https://arxiv.org\">out</a></p>",
            "<p>seen</p>",
            "1 &lt; 2",
            "<div class=\"scroll\"><table>",
        ] {
            assert!(page.contains(part), "{part} not in {page}");
        }
    }
}
