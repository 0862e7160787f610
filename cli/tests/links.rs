//! The links of the README, of the other pages at the top and of docs/: each leads to a file that is there, and to a place in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// The folders whose pages are read; the top without what is below it.
const FOLDERS: [&str; 7] = [".", "docs", "docs/course", "docs/kursus", "fuzz", "lib", "capture"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a folder whose names end so, by their paths from the root.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.expect("it can be read").file_name());
    let names = names.filter(|name| name.to_string_lossy().ends_with(end));
    let mut files: Vec<_> = names.map(|name| plain(&Path::new(folder).join(name))).collect();
    files.sort();
    files
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// A page without its blocks of code, and without code in its lines.
fn prose(page: &str) -> String {
    static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("``[^`].*?``|`[^`]*`").expect("it is one"));
    let mut fence = None;
    let mut prose = String::new();
    for line in page.lines() {
        let start = line.trim_start();
        let ticks = start.bytes().take_while(|byte| *byte == b'`').count();
        match fence {
            None if ticks >= 3 => fence = Some(ticks),
            Some(open) if ticks >= open => fence = None,
            Some(_) => {}
            None => {
                prose.push_str(&CODE.replace_all(line, "code"));
                prose.push('\n');
            }
        }
    }
    prose
}

/// Where a page's links lead, as written.
fn targets(page: &str) -> Vec<String> {
    static LINK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"\]\(([^)\s]+)\)|(?m:^\[[^\]]+\]: (\S+)$)|(?:href|src|data)="([^"]+)""#).expect("it is one")
    });
    let found = LINK.captures_iter(page).filter_map(|found| found.iter().skip(1).flatten().next());
    found.map(|target| target.as_str().to_owned()).collect()
}

/// The places in a page that a link may name: its headings, as both GitHub and mdBook name them, and what has an id.
fn anchors(page: &Path) -> BTreeSet<String> {
    static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"\bid="([^"]+)""#).expect("it is one"));
    static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\[([^\]]*)\]\([^)]*\)").expect("it is one"));
    let text = read(page);
    let mut anchors: BTreeSet<_> = ID.captures_iter(&text).map(|found| found[1].to_owned()).collect();
    let mut seen = BTreeMap::new();
    let mut in_block = false;
    for line in text.lines() {
        in_block ^= line.starts_with("```");
        let words = line.trim_start_matches('#');
        if in_block || words.len() == line.len() || !words.starts_with(' ') {
            continue;
        }
        let words = LINK.replace_all(words.trim(), "$1").to_lowercase();
        let kept = words.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
        let slug: String = kept.map(|char| if char == ' ' { '-' } else { char }).collect();
        let times = seen.entry(slug.clone()).and_modify(|times| *times += 1).or_insert(0);
        anchors.insert(if *times == 0 { slug } else { format!("{slug}-{times}") });
    }
    anchors
}

/// What is wrong with a link of a page, if anything is.
fn mistake(page: &Path, target: &str) -> Option<String> {
    if ["http://", "https://", "mailto:", "data:", "<"].iter().any(|start| target.starts_with(start)) {
        return None;
    }
    let (file, place) = target.split_once('#').map_or((target, None), |(file, place)| (file, Some(place)));
    let folder = page.parent().expect("a page is in a folder");
    let mut file = if file.is_empty() { page.to_owned() } else { plain(&folder.join(file)) };
    // A page in HTML is one of the site, where all pages are.
    if page.extension().is_some_and(|end| end == "html") && !root().join(&file).exists() {
        file.set_extension("md");
    }
    if !root().join(&file).exists() {
        return Some(format!("{}: no file {target}", page.display()));
    }
    let place = place?;
    let known = anchors(&file);
    (!known.contains(place)).then(|| format!("{}: no place {target}; there are {known:?}", page.display()))
}

/// All pages: those in Markdown, and those of the site in HTML.
fn pages() -> Vec<PathBuf> {
    let markdown = FOLDERS.into_iter().flat_map(|folder| files(folder, ".md"));
    markdown.chain(files("docs", ".html")).collect()
}

#[test]
fn each_link_leads_somewhere() {
    let pages = pages();
    let mut seen = 0;
    let mut mistakes = Vec::new();
    for page in &pages {
        let is_html = page.extension().is_some_and(|end| end == "html");
        let text = if is_html { read(page) } else { prose(&read(page)) };
        let targets = targets(&text);
        seen += targets.len();
        mistakes.extend(targets.iter().filter_map(|target| mistake(page, target)));
    }
    assert!(pages.len() > 25 && seen > 150, "{} pages, {seen} links", pages.len());
    assert!(mistakes.is_empty(), "{mistakes:#?}");
}

#[test]
fn each_page_of_docs_is_in_the_book_once() {
    let summary = Path::new("docs/SUMMARY.md");
    let mut listed: Vec<_> =
        targets(&read(summary)).iter().map(|target| plain(&Path::new("docs").join(target))).collect();
    listed.sort();
    let folders = FOLDERS.into_iter().filter(|folder| folder.starts_with("docs"));
    let mut pages: Vec<_> = folders.flat_map(|folder| files(folder, ".md")).filter(|page| page != summary).collect();
    pages.sort();
    assert_eq!(listed, pages);
}

#[test]
fn each_picture_is_shown_on_a_page() {
    let shown: BTreeSet<_> = pages()
        .into_iter()
        .flat_map(|page| {
            let folder = page.parent().expect("a page is in a folder").to_owned();
            targets(&read(&page)).into_iter().map(move |target| plain(&folder.join(target)))
        })
        .collect();
    let pictures: BTreeSet<_> = files("docs/pictures", "g").into_iter().collect();
    assert!(pictures.len() > 10, "{pictures:?}");
    let unused: Vec<_> = pictures.difference(&shown).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn a_dead_link_is_found() {
    let page = Path::new("docs/serve.md");
    assert_eq!(mistake(page, "rules.md#the-format"), None);
    assert_eq!(mistake(page, "../README.md"), None);
    assert!(mistake(page, "rules.md#no-such-place").is_some());
    assert!(mistake(page, "no-such-page.md").is_some());
    assert!(mistake(page, "course/../../docs/nowhere.md").is_some());
}
