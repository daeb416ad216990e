//! `config show`.

use crate::config::Resolved;
use crate::errors::JobError;
use crate::output::console::Stdout;
use std::io::Write;

/// Prints each setting, its value, where that comes from, and what it is.
///
/// # Errors
/// Never: what cannot be written has no reader.
pub(super) fn show(settings: &Resolved) -> Result<(), JobError> {
    let lines: Vec<[String; 4]> = settings.lines().collect();
    let width = |index: usize| lines.iter().map(|line| line[index].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for [key, value, origin, help] in &lines {
        let [w0, w1, w2] = widths;
        let _ = writeln!(Stdout, "{key:w0$}  {value:>w1$}  {origin:w2$}  {help}");
    }
    Ok(())
}
