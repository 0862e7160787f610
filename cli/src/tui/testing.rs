//! What tests of screens share: a screen as text, and the snapshots.

use std::path::Path;

use ratatui::backend::TestBackend;
use ratatui::style::Modifier;
use ratatui::text::Span;
use ratatui::{Frame, Terminal};
use snapbox::{Data, assert_data_eq};

/// What is drawn on a screen of this size, as text; lines that stand out are marked.
pub(crate) fn screen((width, height): (u16, u16), draw: impl FnOnce(&mut Frame<'_>)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(draw).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(width).max(1)).map(|line| {
        let mut text = String::new();
        // A letter of two columns has an empty one behind it.
        let mut skip = 0;
        for cell in line {
            if skip == 0 {
                text.push_str(cell.symbol());
                skip = Span::raw(cell.symbol()).width().max(1);
            }
            skip -= 1;
        }
        // Chosen lines stand out by their style alone.
        let is_chosen = line.iter().all(|cell| cell.modifier.contains(Modifier::REVERSED)) && !line.is_empty();
        format!("{}{}\n", text.trim_end(), if is_chosen { "  <-" } else { "" })
    });
    lines.collect()
}

/// Compares a screen with the snapshot of this name.
pub(crate) fn assert_screen(name: &str, seen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("tui-{name}.txt"));
    assert_data_eq!(seen, Data::read_from(&path, None).raw());
}
