//! The book holds together: links lead somewhere, every page is in its table of contents, and every page with Rust in it is
//! among those whose snippets are compiled.

use ffjord_examples::Outcome;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files of a folder.
fn pages(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// The targets of inline links outside of code.
fn links(text: &str) -> Vec<String> {
    let mut code = false;
    let prose = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    let prose = prose.collect::<Vec<_>>().join("\n");
    let ends = prose.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_string())
        .filter(|target| !target.contains("://"))
        .collect()
}

/// The anchors of a page's headings, as they are made where repositories are shown.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_somewhere() -> Outcome {
    let folders = ["", "docs", "docs/results", "examples", "models", "datasets", "fuzz"];
    let mut seen = 0;
    for folder in folders {
        for page in pages(&root().join(folder))? {
            for link in links(&fs::read_to_string(&page)?) {
                let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
                let target = match file {
                    "" => page.clone(),
                    file => page.parent().ok_or("a page without a folder")?.join(file),
                };
                assert!(target.exists(), "{}: {link} leads nowhere", page.display());
                let known = anchor.is_empty() || anchors(&fs::read_to_string(&target)?).iter().any(|a| a == anchor);
                assert!(known, "{}: {link} names no heading", page.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen} links were found");
    Ok(())
}

#[test]
fn every_page_is_in_the_table_of_contents_and_its_snippets_are_compiled() -> Outcome {
    let contents = fs::read_to_string(root().join("docs/README.md"))?;
    let compiled = fs::read_to_string(root().join("examples/src/lib.rs"))?;
    for page in pages(&root().join("docs"))? {
        let name = page
            .file_name()
            .ok_or("a page without a name")?
            .to_string_lossy()
            .into_owned();
        assert!(
            name == "README.md" || contents.contains(&format!("({name})")),
            "{name} is not in the contents"
        );
        let has_snippets = fs::read_to_string(&page)?.contains("```rust");
        let is_compiled = compiled.contains(&format!("docs/{name}\""));
        assert_eq!(has_snippets, is_compiled, "snippets of {name}");
    }
    Ok(())
}
